/* recorder_sites.h - who called: a number for each return address, and the modules that
 * the addresses lie in, noted when an address is first seen. Part of recorder.c.
 *
 * The list of mappings is read instead of asking the loader, whose locks the program may
 * hold. An address that a library had which is unloaded by now keeps that library's
 * name. */
#ifndef KMA_CAPTURE_RECORDER_SITES_H
#define KMA_CAPTURE_RECORDER_SITES_H

#include <link.h>
#include <sys/auxv.h>
#include "recorder_store.h"

/* Code that a program makes as it runs lies in no module, however often one looks. */
enum { MOST_LOOKS = 256 };

/* An address in the program when that lies where it was linked to: offsets in it count
 * from 0. */
static uintptr_t unmoved_entry;

static void find_unmoved_entry(void)
{
    const ElfW(Phdr) *headers = (const ElfW(Phdr) *)getauxval(AT_PHDR);
    size_t count = getauxval(AT_PHNUM);
    for (size_t i = 0; headers != NULL && i < count; i++) {
        if (headers[i].p_type == PT_PHDR && headers[i].p_vaddr == (uintptr_t)headers)
            unmoved_entry = getauxval(AT_ENTRY);
    }
}

/* The list of mappings, being read. */
struct list {
    int file;
    size_t at;
    size_t size;
};

static int next_character(struct list *list)
{
    if (list->at == list->size) {
        long got = syscall(SYS_read, list->file, process->text, TEXT);
        if (got <= 0)
            return -1;
        list->at = 0;
        list->size = (size_t)got;
    }
    return (unsigned char)process->text[list->at++];
}

/* A hexadecimal number and the character behind it. */
static uint64_t next_number(struct list *list)
{
    uint64_t number = 0;
    for (;;) {
        int c = next_character(list);
        if (c >= '0' && c <= '9')
            number = number << 4 | (unsigned)(c - '0');
        else if (c >= 'a' && c <= 'f')
            number = number << 4 | (unsigned)(c - 'a' + 10);
        else
            return number;
    }
}

struct mapping {
    uint64_t start;
    uint64_t end;
    bool executable;
    char name[RAW_NAME]; /* of the file, without its folders; "": none */
};

/* A line is: start-end rwxp offset device inode path. */
static bool next_mapping(struct list *list, struct mapping *mapping)
{
    int c;
    mapping->start = next_number(list);
    mapping->end = next_number(list);
    mapping->executable = false;
    for (int fields = 0; fields < 4;) {
        c = next_character(list);
        if (c < 0 || c == '\n')
            return c == '\n';
        mapping->executable |= fields == 0 && c == 'x';
        fields += c == ' ';
    }
    size_t length = 0;
    bool in_file = false;
    while ((c = next_character(list)) >= 0 && c != '\n') {
        if (c == '/') {
            in_file = true;
            length = 0;
        } else if (in_file && length < RAW_NAME - 1) {
            mapping->name[length++] = (char)c;
        }
    }
    mapping->name[length] = '\0';
    return true;
}

static bool is_known(uint64_t address)
{
    const struct raw_head *head = process->head;
    for (uint32_t i = 0; i < head->modules; i++) {
        if (head->module[i].start <= address && address < head->module[i].end)
            return true;
    }
    return false;
}

static void note_module(const struct mapping *mapping, uint64_t base)
{
    struct raw_head *head = process->head;
    if (head->modules == RAW_MODULES || is_known(mapping->start))
        return;
    struct raw_module *module = &head->module[head->modules];
    bool unmoved = mapping->start <= unmoved_entry && unmoved_entry < mapping->end;
    module->start = mapping->start;
    module->end = mapping->end;
    module->base = unmoved ? 0 : base;
    memcpy(module->name, mapping->name, RAW_NAME);
    head->modules++;
}

static void note_modules(void)
{
    struct mapping mapping = {.name = ""};
    char last[RAW_NAME] = "";
    uint64_t base = 0;
    struct list list = {.file = open_file("/proc/self/maps", O_RDONLY)};
    if (list.file < 0)
        return;
    while (next_mapping(&list, &mapping)) {
        /* The mappings of one file stand together; offsets count from the first. */
        if (mapping.name[0] != '\0' && strcmp(mapping.name, last) != 0) {
            memcpy(last, mapping.name, RAW_NAME);
            base = mapping.start;
        }
        if (mapping.name[0] != '\0' && mapping.executable)
            note_module(&mapping, base);
        mapping.name[0] = '\0';
    }
    syscall(SYS_close, list.file);
}

static inline size_t site_place(uintptr_t address)
{
    return (size_t)((uint32_t)(address ^ address >> 15) * 2654435761U) % SITE_ROOM;
}

/* The entry of an address, or the free one where it would stand; NULL: none is free. */
static struct site *find_site(struct site *sites, uintptr_t address)
{
    size_t place = site_place(address);
    for (size_t i = 0; i < SITE_ROOM; i++) {
        struct site *site = &sites[(place + i) % SITE_ROOM];
        uintptr_t there = __atomic_load_n(&site->address, __ATOMIC_ACQUIRE);
        if (there == address || there == 0)
            return site;
    }
    return NULL;
}

static uint32_t add_site(uintptr_t address)
{
    struct raw_head *head = process->head;
    struct site *site = find_site(process->sites, address);
    if (site->address == address)
        return site->number;
    if (head->sites == RAW_SITES)
        return 0;
    if (!is_known(address) && process->looks < MOST_LOOKS) {
        process->looks++;
        note_modules();
    }
    head->site[head->sites++] = address;
    site->number = head->sites;
    __atomic_store_n(&site->address, address, __ATOMIC_RELEASE);
    return site->number;
}

/* The number of a caller that did not stand where it was looked for first. */
static __attribute__((noinline, cold)) uint32_t site_slowly(uintptr_t address)
{
    struct site *site = find_site(process->sites, address);
    if (site->address == address)
        return site->number;
    if (process->head->sites == RAW_SITES)
        return 0;
    int error = errno;
    struct kept kept = keep_signals();
    lock();
    uint32_t number = add_site(address);
    unlock();
    return_signals(kept);
    errno = error;
    return number;
}

static inline __attribute__((always_inline)) uint32_t site_of(const void *caller)
{
    uintptr_t address = (uintptr_t)caller;
    const struct site *site = &process->sites[site_place(address)];
    if (__builtin_expect(site->address == address, 1))
        return site->number;
    return site_slowly(address);
}

#endif
