/* generate.c - the tool `generate`: a trace of any length, made as it is written, in
 * memory that depends on the blocks live at once. For endurance runs and for measuring
 * how fast traces are read; testsuite/generate_trace makes traces after given laws.
 *
 * The number of live blocks goes up to the one asked for, stays about there, and goes
 * down to none with the last event. Which block is freed is drawn at random, with the
 * blocks that are still young more often: half of the time one of the last few. Sizes
 * are spread evenly over the powers of two from 16 to 4096 and evenly within each. */

#include <getopt.h>
#include <stdlib.h>
#include "../driver/output.h"
#include "../driver/run.h"
#include "sink.h"
#include "tool.h"

enum { YOUNG = 8, SMALLEST_LOG = 4, LARGEST_LOG = 12 };

struct options {
    const char *path;
    uint64_t events;
    uint64_t live;
    uint64_t seed;
    int level;
    enum format format;
};

struct generator {
    struct sink *sink;
    uint64_t random;
    uint32_t *live; /* slots, in the order of the requests but for moves */
    uint32_t count;
    uint32_t *free; /* a stack */
    uint32_t free_count;
    uint32_t slots;
};

static const struct option long_options[] = {
    {"events", required_argument, NULL, 'e'},
    {"live", required_argument, NULL, 'l'},
    {"seed", required_argument, NULL, 's'},
    {"level", required_argument, NULL, 'v'},
    {"output", required_argument, NULL, 'o'},
    {"to", required_argument, NULL, 't'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {0},
};

static _Noreturn void print_help(const char *program)
{
    run_print(
        "Usage: %s --events N [OPTION]... -o FILE\n"
        "Makes a trace of N events, whatever N is, in little memory.\n\n"
        "  -o, --output FILE  the trace to write; - for standard output\n"
        "  --events N         events, an even number\n"
        "  --live L           blocks live at once at most (10000)\n"
        "  --seed S           another number gives another trace (1)\n"
        "  --to FORMAT        of FILE, whatever its ending: text, compact, perf,\n"
        "                     ftrace, rep, mtrace\n"
        "  --level N          of zstd's compression, 1 to 19 (1)\n"
        "  --help             print this and exit\n"
        "  --version          print the version and exit\n\n"
        "Example: %s --events 1000000000 -o - | ./kma_bud --no-output -\n",
        program, program);
    exit(0);
}

static void read_options(struct options *options, int argc, char **argv)
{
    *options = (struct options){.live = 10000, .seed = 1, .level = 1};
    opterr = 0;
    int result;
    while ((result = getopt_long(argc, argv, ":o:", long_options, NULL)) != -1) {
        switch (result) {
        case 'o':
            options->path = optarg;
            break;
        case 'e':
            options->events =
                tool_number_within(argv[0], "events", optarg, 2, UINT64_MAX / 2);
            break;
        case 'l':
            options->live =
                tool_number_within(argv[0], "live", optarg, 1, UINT32_MAX / 4);
            break;
        case 's':
            options->seed = tool_number_within(argv[0], "seed", optarg, 0, UINT64_MAX);
            break;
        case 'v':
            options->level = (int)tool_number_within(argv[0], "level", optarg, 1, 19);
            break;
        case 't':
            options->format = tool_format(argv[0], "to", optarg);
            break;
        case 'h':
            print_help(argv[0]);
        case 'V':
            tool_version(argv[0]);
        default:
            tool_refuse_option(argv, result);
        }
    }
    options->path = tool_output(argv[0], options->path);
    if (optind < argc || options->events == 0)
        run_refuse("%s: --events N is wanted, and no input (try --help)", argv[0]);
    if (options->events % 2 != 0)
        run_refuse("%s: --events wants an even number: each block is freed", argv[0]);
    if (options->format == FORMAT_UNKNOWN)
        options->format = sink_format_of(options->path);
}

/* SplitMix64 (Steele, Lea, Flood 2014). */
static uint64_t next_random(struct generator *generator)
{
    uint64_t z = generator->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* 0 to below - 1. */
static uint32_t below(uint64_t random, uint32_t below)
{
    return (uint32_t)((random & UINT32_MAX) * below >> 32);
}

static void request(struct generator *generator, uint64_t random)
{
    unsigned log = SMALLEST_LOG + below(random, LARGEST_LOG - SMALLEST_LOG);
    uint32_t size = (1U << log) + (uint32_t)(random >> 33 & ((1U << log) - 1));
    uint32_t slot = generator->free_count > 0 ? generator->free[--generator->free_count]
                                              : generator->slots++;
    generator->live[generator->count++] = slot;
    sink_put(generator->sink, &(struct entry){.event = {slot, (int32_t)size}});
}

static void give_up(struct generator *generator, uint64_t random)
{
    bool young = random >> 63 != 0 && generator->count > YOUNG;
    uint32_t among = young ? YOUNG : generator->count;
    uint32_t *victim = &generator->live[generator->count - 1 - below(random, among)];
    uint32_t slot = *victim;
    *victim = generator->live[--generator->count];
    generator->free[generator->free_count++] = slot;
    sink_put(generator->sink, &(struct entry){.event = {slot, 0}});
}

static void generate(struct generator *generator, const struct options *options)
{
    for (uint64_t left = options->events; left > 0; left--) {
        uint64_t random = next_random(generator);
        bool full = generator->count >= options->live || generator->count >= left;
        bool rises = generator->count < options->live - options->live / 8;
        /* Twice as many requests as frees until it is nearly full. */
        bool wants = rises ? random % 3 != 0 : (random >> 62 & 1) != 0;
        if (generator->count == 0 || (!full && wants))
            request(generator, next_random(generator));
        else
            give_up(generator, next_random(generator));
    }
}

int main(int argc, char **argv)
{
    struct options options;
    run_begin(argv[0]);
    read_options(&options, argc, argv);
    run_watch_signals();
    char about[100];
    snprintf(about, sizeof about, "origin=generated\nlive=%llu\nseed=%llu\n",
             (unsigned long long)options.live, (unsigned long long)options.seed);
    struct sink_options sink = {.path = options.path,
                                .format = options.format,
                                .level = options.level,
                                .about = about};
    struct generator generator = {.random = options.seed};
    generator.live = malloc(options.live * sizeof *generator.live);
    generator.free = malloc(options.live * sizeof *generator.free);
    if (generator.live == NULL || generator.free == NULL)
        run_refuse("%s: no memory for %llu blocks", argv[0],
                   (unsigned long long)options.live);
    generator.sink = sink_open(&sink);
    generate(&generator, &options);
    sink_finish(generator.sink, 0);
    output_finish_all();
    free(generator.live);
    free(generator.free);
    return 0;
}
