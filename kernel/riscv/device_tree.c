/* device_tree.c - reads the flattened device tree that the firmware leaves for a kernel.
 *
 * Source: Devicetree Specification 0.4, chapters 2, 3 and 5. All numbers are big-endian.
 * The blob's header has the offsets of three blocks within it:
 *
 *     reservations  pairs of 64-bit numbers, address and size, up to a pair of zeros
 *     strings       names of properties, each with a zero byte at its end
 *     structure     a stream of tokens of 32 bits:
 *                   BEGIN_NODE name 0   a node, whose properties come before its children
 *                   PROPERTY size name-offset value
 *                   END_NODE, NOP, END
 *                   names and values are padded to multiples of 4 bytes
 *
 * The blob is not trusted: every offset and length is compared with what is left of its
 * block before it is used. Of the tree only these properties are looked at:
 *
 *     /                   #address-cells, #size-cells: 32-bit words in an address, a size
 *     /memory*            reg: pairs of address and size
 *     /reserved-memory    #address-cells, #size-cells
 *     /reserved-memory/?  reg
 *     /cpus               timebase-frequency
 *     /chosen             bootargs */

#include <stdbool.h>
#include <string.h>
#include "device_tree.h"

#define MAGIC 0xd00dfeed
#define VERSION 17 /* the one we know, and that newer ones mostly can be read as */
#define HEADER_SIZE 40

enum { BEGIN_NODE = 1, END_NODE = 2, PROPERTY = 3, NOP = 4, END = 9 };

/* The bytes not read yet of something. */
struct bytes {
    const uint8_t *next;
    size_t left;
};

struct cells {
    uint32_t address;
    uint32_t size;
};

/* Children of the root. */
enum section { OTHER, MEMORY, RESERVED_MEMORY, CPUS, CHOSEN };

struct reader {
    struct bytes structure;
    struct bytes strings;
    int depth; /* of the node that we are in: 1 is the root, 2 a section */
    bool had_child;
    enum section section;
    struct cells root_cells;
    struct cells reserved_cells;
    struct device_facts *facts;
};

/* Takes `size` bytes off; NULL when there are not as many. */
static const uint8_t *take(struct bytes *bytes, size_t size)
{
    if (size > bytes->left)
        return NULL;
    const uint8_t *taken = bytes->next;
    bytes->next += size;
    bytes->left -= size;
    return taken;
}

static uint32_t number32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
           (uint32_t)bytes[2] << 8 | bytes[3];
}

static bool take32(struct bytes *bytes, uint32_t *number)
{
    const uint8_t *taken = take(bytes, 4);
    if (taken != NULL)
        *number = number32(taken);
    return taken != NULL;
}

/* A number of one or two 32-bit words. */
static bool take_cells(struct bytes *bytes, uint32_t cells, uint64_t *number)
{
    uint32_t high = 0;
    uint32_t low;
    if (cells < 1 || cells > 2 || (cells == 2 && !take32(bytes, &high)) ||
        !take32(bytes, &low))
        return false;
    *number = (uint64_t)high << 32 | low;
    return true;
}

/* A text with its zero byte; NULL when the bytes end before it does. */
static const char *take_text(struct bytes *bytes)
{
    for (size_t i = 0; i < bytes->left; i++)
        if (bytes->next[i] == 0)
            return (const char *)take(bytes, i + 1);
    return NULL;
}

/* Bytes of the structure block, and those that pad them to a multiple of 4. */
static bool skip_padding(struct bytes *bytes, size_t size)
{
    return take(bytes, -size % 4) != NULL;
}

static bool part(struct bytes whole, uint32_t offset, uint32_t size,
                 struct bytes *found)
{
    if (take(&whole, offset) == NULL || size > whole.left)
        return false;
    found->next = whole.next;
    found->left = size;
    return true;
}

static const char *add_range(struct memory_list *list, uint64_t start, uint64_t size)
{
    if (size == 0)
        return NULL;
    if (start + size < start || start + size > UINTPTR_MAX)
        return "memory beyond the end of addresses";
    if (list->count == sizeof(list->ranges) / sizeof(list->ranges[0]))
        return "too many ranges of memory";
    list->ranges[list->count].start = (uintptr_t)start;
    list->ranges[list->count].end = (uintptr_t)(start + size);
    list->count++;
    return NULL;
}

static const char *read_reservations(struct bytes block, struct memory_list *reserved)
{
    for (;;) {
        uint64_t start;
        uint64_t size;
        if (!take_cells(&block, 2, &start) || !take_cells(&block, 2, &size))
            return "the reservations have no end";
        if (start == 0 && size == 0)
            return NULL;
        const char *wrong = add_range(reserved, start, size);
        if (wrong != NULL)
            return wrong;
    }
}

static const char *read_reg(struct bytes value, struct cells cells,
                            struct memory_list *list)
{
    while (value.left > 0) {
        uint64_t start;
        uint64_t size;
        if (!take_cells(&value, cells.address, &start) ||
            !take_cells(&value, cells.size, &size))
            return "a reg of memory has a wrong length";
        const char *wrong = add_range(list, start, size);
        if (wrong != NULL)
            return wrong;
    }
    return NULL;
}

static const char *read_cells(struct bytes value, uint32_t *cells)
{
    if (value.left != 4 || !take32(&value, cells))
        return "a number of cells has a wrong length";
    return NULL;
}

static const char *read_command_line(struct bytes value, struct device_facts *facts)
{
    size_t size = value.left;
    const char *text = take_text(&value);
    if (text == NULL || value.left != 0)
        return "bootargs is no text";
    if (size > sizeof(facts->command_line))
        return "bootargs is too long";
    memcpy(facts->command_line, text, size);
    return NULL;
}

static const char *read_frequency(struct bytes value, struct device_facts *facts)
{
    uint64_t frequency;
    if (!take_cells(&value, (uint32_t)value.left / 4, &frequency) || value.left != 0 ||
        frequency == 0 || frequency > UINT32_MAX)
        return "bad timebase-frequency";
    facts->timer_frequency = (uint32_t)frequency;
    return NULL;
}

static const char *read_property(struct reader *reader, const char *name,
                                 struct bytes value)
{
    struct device_facts *facts = reader->facts;
    bool address_cells = strcmp(name, "#address-cells") == 0;
    bool size_cells = strcmp(name, "#size-cells") == 0;
    bool reg = strcmp(name, "reg") == 0;
    bool of_section = reader->depth == 2;

    if (reader->depth == 1 && address_cells)
        return read_cells(value, &reader->root_cells.address);
    if (reader->depth == 1 && size_cells)
        return read_cells(value, &reader->root_cells.size);
    if (of_section && reader->section == MEMORY && reg)
        return read_reg(value, reader->root_cells, &facts->ram);
    if (of_section && reader->section == RESERVED_MEMORY && address_cells)
        return read_cells(value, &reader->reserved_cells.address);
    if (of_section && reader->section == RESERVED_MEMORY && size_cells)
        return read_cells(value, &reader->reserved_cells.size);
    if (reader->depth == 3 && reader->section == RESERVED_MEMORY && reg)
        return read_reg(value, reader->reserved_cells, &facts->reserved);
    if (of_section && reader->section == CPUS &&
        strcmp(name, "timebase-frequency") == 0)
        return read_frequency(value, facts);
    if (of_section && reader->section == CHOSEN && strcmp(name, "bootargs") == 0)
        return read_command_line(value, facts);
    return NULL;
}

static const char *take_property(struct reader *reader)
{
    uint32_t size;
    uint32_t name_offset;
    if (!take32(&reader->structure, &size) || !take32(&reader->structure, &name_offset))
        return "a property is cut short";
    struct bytes value = {reader->structure.next, size};
    if (take(&reader->structure, size) == NULL ||
        !skip_padding(&reader->structure, size))
        return "a property is cut short";
    struct bytes strings = reader->strings;
    if (take(&strings, name_offset) == NULL)
        return "a property's name is outside the strings";
    const char *name = take_text(&strings);
    if (name == NULL)
        return "a property's name has no end";
    if (reader->depth == 0 || reader->had_child)
        return "a property is not at the start of a node";
    return read_property(reader, name, value);
}

static bool begins_with(const char *text, const char *start)
{
    while (*start != '\0' && *text == *start) {
        text++;
        start++;
    }
    return *start == '\0';
}

static enum section section_of(const char *name)
{
    if (strcmp(name, "memory") == 0 || begins_with(name, "memory@"))
        return MEMORY;
    if (strcmp(name, "reserved-memory") == 0)
        return RESERVED_MEMORY;
    if (strcmp(name, "cpus") == 0)
        return CPUS;
    if (strcmp(name, "chosen") == 0)
        return CHOSEN;
    return OTHER;
}

static const char *begin_node(struct reader *reader)
{
    const char *name = take_text(&reader->structure);
    if (name == NULL || !skip_padding(&reader->structure, strlen(name) + 1))
        return "a node's name has no end";
    if (reader->depth == 0 && reader->had_child)
        return "more than one root";
    reader->depth++;
    reader->had_child = false;
    if (reader->depth == 2)
        reader->section = section_of(name);
    return NULL;
}

static const char *end_node(struct reader *reader)
{
    if (reader->depth == 0)
        return "a node ends that did not begin";
    reader->depth--;
    reader->had_child = true;
    return NULL;
}

static const char *read_structure(struct reader *reader)
{
    for (;;) {
        uint32_t token;
        const char *wrong = NULL;
        if (!take32(&reader->structure, &token))
            return "the structure has no end";
        if (token == END)
            return reader->depth == 0 ? NULL : "a node has no end";
        if (token == BEGIN_NODE)
            wrong = begin_node(reader);
        else if (token == END_NODE)
            wrong = end_node(reader);
        else if (token == PROPERTY)
            wrong = take_property(reader);
        else if (token != NOP)
            wrong = "unknown token";
        if (wrong != NULL)
            return wrong;
    }
}

static bool ranges_overlap(const struct memory_list *list)
{
    for (int i = 1; i < list->count; i++)
        for (int j = 0; j < i; j++)
            if (list->ranges[i].start < list->ranges[j].end &&
                list->ranges[j].start < list->ranges[i].end)
                return true;
    return false;
}

/* Finds the blocks. */
static const char *read_header(struct bytes blob, struct reader *reader,
                               struct bytes *reservations)
{
    const uint8_t *header = blob.next;
    if (blob.left < HEADER_SIZE || number32(header) != MAGIC)
        return "there is none";
    uint32_t size = number32(header + 4);
    if (size < HEADER_SIZE || size > blob.left)
        return "it has a wrong size";
    if (number32(header + 20) < VERSION || number32(header + 24) > VERSION)
        return "it has an unknown version";
    blob.left = size;
    uint32_t reservations_offset = number32(header + 16);
    if (!part(blob, number32(header + 8), number32(header + 36), &reader->structure) ||
        !part(blob, number32(header + 12), number32(header + 32), &reader->strings) ||
        reservations_offset > size ||
        !part(blob, reservations_offset, size - reservations_offset, reservations))
        return "a block is outside";
    return NULL;
}

const char *device_tree_read(const void *blob, size_t room, struct device_facts *facts)
{
    struct reader reader = {
        .root_cells = {2, 1},
        .reserved_cells = {2, 1},
        .facts = facts,
    };
    struct bytes reservations;
    facts->ram.count = 0;
    facts->reserved.count = 0;
    facts->timer_frequency = 0;
    facts->command_line[0] = '\0';

    const char *wrong = read_header((struct bytes){blob, room}, &reader, &reservations);
    if (wrong == NULL)
        wrong = read_reservations(reservations, &facts->reserved);
    if (wrong == NULL)
        wrong = read_structure(&reader);
    if (wrong == NULL && facts->ram.count == 0)
        wrong = "it has no memory";
    if (wrong == NULL && ranges_overlap(&facts->ram))
        wrong = "ranges of memory overlap";
    if (wrong == NULL && facts->timer_frequency == 0)
        wrong = "it has no timebase-frequency";
    return wrong;
}
