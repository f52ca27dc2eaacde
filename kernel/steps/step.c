/* step.c - steps, their lines, and what they share. */

#include "kma.h"
#include "kmalloc.h"
#include "machine.h"
#include "page.h"
#include "print.h"
#include "step.h"

static const char *current = "none";
static bool failed;
static struct step_counts counts;

const char *step_name(void)
{
    return current;
}

struct step_counts step_counts(void)
{
    return counts;
}

static void print_line(bool holds, const char *format, va_list arguments)
{
    bool on = interrupts_off();
    print("%s: %s", current, holds ? "" : "FAILED: ");
    print_list(format, arguments);
    print("\n");
    interrupts_restore(on);
}

bool step_check(bool holds, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_line(holds, format, arguments);
    va_end(arguments);
    failed |= !holds;
    return holds;
}

void step_note(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_line(true, format, arguments);
    va_end(arguments);
}

/* ---- the command line: words, some of them name=value */

/* Behind `start`, with which the text begins; or NULL when it does not. */
static const char *skip(const char *text, const char *start)
{
    while (*start != '\0' && *text == *start) {
        text++;
        start++;
    }
    return *start == '\0' ? text : NULL;
}

static bool ends_word(const char *at, char end)
{
    return *at == end || (end == ' ' && *at == '\0');
}

/* Where the word `name` ends on the command line, or NULL when it is not there. */
static const char *find_word(const char *name, char end)
{
    const char *at = machine_command_line();
    while (*at != '\0') {
        const char *behind = skip(at, name);
        if (behind != NULL && ends_word(behind, end))
            return behind;
        while (*at != '\0' && *at != ' ')
            at++;
        while (*at == ' ')
            at++;
    }
    return NULL;
}

bool option_given(const char *word)
{
    return find_word(word, ' ') != NULL;
}

uint32_t option_number(const char *name, uint32_t otherwise)
{
    const char *at = find_word(name, '=');
    if (at == NULL)
        return otherwise;
    uint32_t number = 0;
    for (at++; *at >= '0' && *at <= '9'; at++)
        number = number * 10 + (uint32_t)(*at - '0');
    return number;
}

/* Without the word step=... all steps run. */
static bool is_wanted(const char *name)
{
    const char *at = find_word("step", '=');
    const char *behind = at == NULL ? NULL : skip(at + 1, name);
    return at == NULL || (behind != NULL && ends_word(behind, ' '));
}

static void check_end(void)
{
    int held = page_stats()->num_in_use;
    step_check(held == 0, "pages in use at the end: %d", held);
    if (!is_sound())
        step_check(false, "the algorithm finds itself broken");
}

void step_run(const char *name, void (*step)(void))
{
    if (!is_wanted(name))
        return;
    current = name;
    failed = false;
    print("step %s\n", name);
    step();
    check_end();
    print("%s %s\n", failed ? "FAILED" : "passed", name);
    if (failed)
        counts.failed++;
    else
        counts.passed++;
    current = "none";
}

/* ---- for all steps */

int random_size(struct random *random, int most)
{
    int bits = 1 + (int)(random_next(random) % 12);
    int size = 1 + (int)(random_next(random) & ((1u << bits) - 1));
    return size < most ? size : most;
}

static inline unsigned char filler(uint32_t seed, size_t at)
{
    return (unsigned char)((seed + at) * 167 >> 3);
}

void fill(void *block, size_t size, uint32_t seed)
{
    unsigned char *bytes = block;
    for (size_t i = 0; i < size; i++)
        bytes[i] = filler(seed, i);
}

bool is_filled(const void *block, size_t size, uint32_t seed)
{
    const unsigned char *bytes = block;
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != filler(seed, i))
            return false;
    return true;
}

bool block_get(struct block *block, int size, uint32_t seed)
{
    *block = (struct block){kmalloc(size), size, seed};
    if (block->at != NULL)
        fill(block->at, (size_t)size, seed);
    return block->at != NULL;
}

bool block_free(struct block *block)
{
    if (block->at == NULL)
        return true;
    bool intact = is_filled(block->at, (size_t)block->size, block->seed);
    kfree(block->at, block->size);
    block->at = NULL;
    return intact;
}

bool block_is_well_placed(const struct block *block)
{
    return (uintptr_t)block->at % 8 == 0 && pages_hold(block->at, (size_t)block->size);
}

bool is_sound(void)
{
    if (kma_audit == NULL)
        return true;
    bool locked = kernel_lock();
    int broken = kma_audit();
    kernel_unlock(locked);
    return broken == 0;
}
