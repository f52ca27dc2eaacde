/* test_latency.c - percentiles, mean and worst events of given times, to the digit. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "../driver/latency.h"

enum { EVENTS = 2000, NO_CALL = -1 };

/* Even events are requests, odd ones frees. */
static struct event events[EVENTS];
static uint32_t ticks[EVENTS + 1];
static struct trace trace = {.path = "t", .events = events};

static struct latency given(size_t count)
{
    for (size_t k = 0; k < count; k++)
        events[k] = (struct event){0, k % 2 == 0 ? 16 : 0};
    trace.count = count;
    return (struct latency){.timer = {.ns_per_tick = 1}, .passes = 1, .ticks = ticks};
}

static void assert_figures(struct latency_figures found, struct latency_figures wanted)
{
    assert_int_equal(found.count, wanted.count);
    assert_true(found.mean == wanted.mean);
    assert_true(found.p50 == wanted.p50);
    assert_true(found.p90 == wanted.p90);
    assert_true(found.p99 == wanted.p99);
    assert_true(found.p99_9 == wanted.p99_9);
    assert_true(found.max == wanted.max);
}

/* Nearest rank: of 1 to 1000 the p-th percentile is 10 p. */
static void test_thousand_values(void **state)
{
    (void)state;
    struct latency latency = given(EVENTS);
    for (uint32_t k = 0; k < EVENTS; k += 2) {
        ticks[k] =
            (k / 2 * 37) % 1000 + 1; /* 37 has no factor of 1000: each value once */
        ticks[k + 1] = 5;
    }
    assert_figures(latency_figures(&latency, &trace, true),
                   (struct latency_figures){1000, 500.5, 500, 900, 990, 999, 1000});
    assert_figures(latency_figures(&latency, &trace, false),
                   (struct latency_figures){1000, 5, 5, 5, 5, 5, 5});
}

/* The rank is rounded up: of three values the median is the second, all beyond the last. */
static void test_few_values(void **state)
{
    (void)state;
    struct latency latency = given(6);
    memcpy(ticks, (uint32_t[]){30, 7, 10, 7, 20, 7}, 6 * sizeof *ticks);
    assert_figures(latency_figures(&latency, &trace, true),
                   (struct latency_figures){3, 20, 20, 30, 30, 30, 30});
    latency = given(1);
    assert_figures(latency_figures(&latency, &trace, true),
                   (struct latency_figures){1, 30, 30, 30, 30, 30, 30});
    assert_figures(latency_figures(&latency, &trace, false),
                   (struct latency_figures){0});
}

static void test_overhead_is_taken_off(void **state)
{
    (void)state;
    struct latency latency = given(4);
    latency.timer.overhead = 20;
    latency.timer.ns_per_tick = 0.5;
    /* What took less than an empty measurement took nothing. */
    memcpy(ticks, (uint32_t[]){10, 24, 40, 28}, 4 * sizeof *ticks);
    assert_figures(latency_figures(&latency, &trace, true),
                   (struct latency_figures){2, 5, 0, 10, 10, 10, 10});
    assert_figures(latency_figures(&latency, &trace, false),
                   (struct latency_figures){2, 3, 2, 4, 4, 4, 4});
}

static void test_events_without_a_call_do_not_count(void **state)
{
    (void)state;
    struct latency latency = given(4);
    memcpy(ticks, (uint32_t[]){9, (uint32_t)NO_CALL, 11, 4}, 4 * sizeof *ticks);
    assert_figures(latency_figures(&latency, &trace, false),
                   (struct latency_figures){1, 4, 4, 4, 4, 4, 4});
    size_t worst[10];
    assert_int_equal(latency_worst(&latency, &trace, worst, 10), 3);
    assert_int_equal(worst[0], 2);
    assert_int_equal(worst[1], 0);
    assert_int_equal(worst[2], 3);
}

/* Of equal times the earlier event stands first. */
static void test_worst_are_the_longest(void **state)
{
    (void)state;
    struct latency latency = given(6);
    memcpy(ticks, (uint32_t[]){5, 9, 7, 9, 8, 1}, 6 * sizeof *ticks);
    size_t worst[3];
    assert_int_equal(latency_worst(&latency, &trace, worst, 3), 3);
    assert_int_equal(worst[0], 1);
    assert_int_equal(worst[1], 3);
    assert_int_equal(worst[2], 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_thousand_values),
        cmocka_unit_test(test_few_values),
        cmocka_unit_test(test_overhead_is_taken_off),
        cmocka_unit_test(test_events_without_a_call_do_not_count),
        cmocka_unit_test(test_worst_are_the_longest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
