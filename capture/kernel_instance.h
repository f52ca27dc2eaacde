/* kernel_instance.h - a tracing instance of our own: the way into the kernel's tracing
 * and back, with nothing left behind. */
#ifndef KMA_CAPTURE_KERNEL_INSTANCE_H
#define KMA_CAPTURE_KERNEL_INSTANCE_H

#include <tracefs.h>

/* The folder of the kernel's tracing. It is mounted when it is not, and unmounted when
 * the process exits. The environment variable KMA_TRACEFS names another one. Ends the
 * run when there is none or the user may not use it. */
const char *instance_folder(void);

/* An instance named kma-<pid>, with tracing off. It is removed when the process exits;
 * those of recorders that were killed are removed now. Ends the run when there can be
 * none. Call instance_folder first. */
struct tracefs_instance *instance_open(void);

#endif
