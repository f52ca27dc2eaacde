/* multiboot.c - what the boot loader tells: the command line and where there is RAM.
 * The structures are those of the Multiboot Specification, version 0.6.96, 3.3. They
 * lie in RAM that is free, so everything is copied before the kernel starts. */

#include <stddef.h>
#include <stdint.h>
#include "print.h"
#include "machine.h"
#include "x86.h"

enum { LOADER_MAGIC = 0x2badb002 };

enum { INFO_MEMORY = 1 << 0, INFO_COMMAND_LINE = 1 << 2, INFO_MEMORY_MAP = 1 << 6 };

struct multiboot_info {
    uint32_t flags;        /* which of the following are there */
    uint32_t memory_lower; /* KB of RAM from 0 on, and from 1 MiB on */
    uint32_t memory_upper;
    uint32_t boot_device;
    uint32_t command_line;
    uint32_t modules[2];
    uint32_t symbols[4];
    uint32_t map_size; /* in bytes */
    uint32_t map;
};

enum { MAP_RAM = 1 };

struct __attribute__((packed)) map_entry {
    uint32_t size; /* of what follows; 20 at least */
    uint64_t start;
    uint64_t length;
    uint32_t type;
};

static char command_line[1024];

/* Behind the kernel's file name, which QEMU puts before the words. */
static void read_command_line(const char *text)
{
    while (*text != '\0' && *text != ' ')
        text++;
    while (*text == ' ')
        text++;
    for (size_t i = 0; i < sizeof(command_line) - 1 && text[i] != '\0'; i++)
        command_line[i] = text[i];
}

static void read_entry(const struct map_entry *entry, bool usable)
{
    if ((entry->type == MAP_RAM) != usable)
        return;
    uint64_t end = entry->start + entry->length;
    if (end < entry->start)
        end = UINT64_MAX;
    if (usable)
        memory_add(entry->start, end);
    else
        memory_remove(entry->start, end);
}

/* Entries may overlap; what any of them says is not RAM is not. */
static void read_map(uintptr_t map, uint32_t size, bool usable)
{
    uint32_t offset = 0;
    while (offset + sizeof(struct map_entry) <= size) {
        const struct map_entry *entry = (const void *)(map + offset);
        read_entry(entry, usable);
        offset += entry->size + sizeof(entry->size);
    }
}

void multiboot_read(uint32_t magic, const struct multiboot_info *info)
{
    if (magic != LOADER_MAGIC)
        panic("no multiboot loader");
    if ((info->flags & INFO_COMMAND_LINE) != 0)
        read_command_line((const char *)info->command_line);
    if ((info->flags & INFO_MEMORY_MAP) != 0) {
        read_map(info->map, info->map_size, true);
        read_map(info->map, info->map_size, false);
    } else if ((info->flags & INFO_MEMORY) != 0) {
        memory_add(0, (uint64_t)info->memory_lower << 10);
        memory_add(1 << 20, (1 << 20) + ((uint64_t)info->memory_upper << 10));
    }
    memory_remove(0, 4096);
    memory_remove((uintptr_t)kernel_start, (uintptr_t)kernel_end);
}

const char *machine_command_line(void)
{
    return command_line;
}
