/* device_tree.h - what the firmware's device tree says that the kernel wants to know. */
#ifndef KMA_KERNEL_DEVICE_TREE_H
#define KMA_KERNEL_DEVICE_TREE_H

#include <stddef.h>
#include <stdint.h>
#include "machine.h"

struct memory_list {
    int count;
    struct memory_range ranges[16]; /* none is empty */
};

struct device_facts {
    struct memory_list ram;      /* no two overlap */
    struct memory_list reserved; /* within RAM or not */
    uint32_t timer_frequency;    /* hertz, not 0 */
    char command_line[2048];
};

/* Reads the tree at `blob`, without touching more than `room` bytes there, and without
 * keeping a pointer into it. Returns NULL, or what is wrong with the tree. */
const char *device_tree_read(const void *blob, size_t room, struct device_facts *facts);

#endif
