/* kernel_buffers.h - the ring buffers of a tracing instance, one for each CPU. */
#ifndef KMA_CAPTURE_KERNEL_BUFFERS_H
#define KMA_CAPTURE_KERNEL_BUFFERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tracefs.h>

struct buffers;

/* Sizes every CPU's buffer to so many KB and opens it. Files are closed when the process
 * exits. Ends the run when that cannot be done. */
struct buffers *buffers_open(struct tracefs_instance *instance, struct tep_handle *tep,
                             long kilobytes);

/* The highest CPU and one. */
unsigned buffers_cpus(const struct buffers *buffers);

/* `time` is in ns of the instance's clock. */
typedef void buffers_take(void *context, unsigned cpu, uint64_t time, const void *data,
                          size_t size);

/* Hands out all that was in the buffers when it was called and maybe what came since, a
 * CPU after the other, each in the order of time. Does not wait. */
void buffers_read(struct buffers *buffers, buffers_take *take, void *context);

/* Events that the kernel could not keep, so far. */
uint64_t buffers_lost(const struct buffers *buffers);

#endif
