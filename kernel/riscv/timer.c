/* timer.c - hart 0's timer in the core-local interruptor: it interrupts as long as mtime
 * is at or past mtimecmp. */

#include "machine.h"
#include "riscv.h"

#define CLINT 0x02000000
#define MTIMECMP (CLINT + 0x4000)
#define MTIME (CLINT + 0xbff8)

static uint32_t frequency;
static uint64_t interval; /* in ticks of mtime, as is the next */
static uint64_t next_tick;

void timer_set_frequency(uint32_t ticks_per_second)
{
    frequency = ticks_per_second;
}

void timer_start(uint32_t microseconds)
{
    bool on = interrupts_off();
    interval = (uint64_t)frequency * microseconds / 1000000;
    if (interval == 0)
        interval = 1;
    next_tick = *register64(MTIME) + interval;
    *register64(MTIMECMP) = next_tick;
    csr_set(mie, MIE_TIMER);
    interrupts_restore(on);
}

void timer_stop(void)
{
    csr_clear(mie, MIE_TIMER);
}

/* The next tick is due an interval after this one was, however late this one is. Those
 * that were missed altogether are not made up for. */
void timer_interrupt(void)
{
    uint64_t now = *register64(MTIME);
    next_tick += interval;
    if (next_tick <= now)
        next_tick += (now - next_tick) / interval * interval + interval;
    *register64(MTIMECMP) = next_tick;
    timer_tick();
}
