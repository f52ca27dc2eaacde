/* timer.c - channel 0 of the programmable interval timer (Intel 8254) and the two interrupt
 * controllers (8259A) through which it calls. All other interrupts stay masked. */

#include <stdint.h>
#include "print.h"
#include "machine.h"
#include "x86.h"

enum { PIT_HERTZ = 1193182, PIT_COUNT_MOST = 65536, PIT_COUNT_LEAST = 2 };

enum {
    PIT_CHANNEL_0 = 0x40,
    PIT_CONTROL = 0x43,
    PIT_ONCE = 0x30,        /* channel 0, low byte and high byte, mode 0 */
    PIT_SQUARE_WAVE = 0x36, /* the same in mode 3 */
};

enum {
    PIC_FIRST = 0x20, /* each has a port for commands, and one for data above it */
    PIC_SECOND = 0xa0,
    PIC_INITIALIZE = 0x11, /* in cascade, edges, and three words of data follow */
    PIC_VECTOR = 32,
    PIC_CASCADE = 2,
    PIC_8086 = 1,
    PIC_READ_REQUESTS = 0x0a,
    PIC_READ_IN_SERVICE = 0x0b,
    PIC_POLL = 0x0c, /* the next read takes a request as the processor would */
    PIC_END = 0x20,
    PIC_MASK_ALL = 0xff,
    PIC_MASK_BUT_TIMER = 0xfe,
};

/* The timer counts 55 ms at most: this many of its interrupts make a tick, and as many
 * have yet to come until the next. */
static uint32_t tick_interrupts;
static uint32_t tick_wait;

static void pic_start(uint16_t pic, uint8_t vector, uint8_t cascade)
{
    out8(pic, PIC_INITIALIZE);
    out8(pic + 1, vector);
    out8(pic + 1, cascade);
    out8(pic + 1, PIC_8086);
    out8(pic + 1, PIC_MASK_ALL);
}

void timer_reset(void)
{
    pic_start(PIC_FIRST, PIC_VECTOR, 1 << PIC_CASCADE);
    pic_start(PIC_SECOND, PIC_VECTOR + 8, PIC_CASCADE);
    timer_stop();
}

/* In mode 0 the timer waits for a count, which is never written. */
void timer_stop(void)
{
    bool on = interrupts_off();
    out8(PIT_CONTROL, PIT_ONCE);
    out8(PIC_FIRST + 1, PIC_MASK_ALL);
    interrupts_restore(on);
}

bool timer_is_pending(void)
{
    out8(PIC_FIRST, PIC_READ_REQUESTS);
    return (in8(PIC_FIRST) & 1) != 0;
}

/* One that came before the timer was stopped, or that it made when it was started. */
static void forget_interrupt(void)
{
    out8(PIC_FIRST, PIC_POLL);
    if ((in8(PIC_FIRST) & 0x80) != 0)
        out8(PIC_FIRST, PIC_END);
}

/* Mode 2, which is meant for this, ends its pulse so soon that QEMU loses some of them in
 * rounding. The price of mode 3, on a real controller, is that a tick is lost when
 * interrupts stay off for half a period after it; QEMU's keeps it. */
void timer_start(uint32_t microseconds)
{
    bool on = interrupts_off();
    uint64_t count = (uint64_t)microseconds * PIT_HERTZ / 1000000;
    if (count < PIT_COUNT_LEAST)
        count = PIT_COUNT_LEAST;
    tick_interrupts = (uint32_t)((count + PIT_COUNT_MOST - 1) / PIT_COUNT_MOST);
    tick_wait = tick_interrupts;
    uint32_t part = (uint32_t)(count / tick_interrupts);
    out8(PIT_CONTROL, PIT_SQUARE_WAVE);
    out8(PIT_CHANNEL_0, part & 0xff);
    out8(PIT_CHANNEL_0, part >> 8 & 0xff); /* 0 is 65536 */
    out8(PIC_FIRST + 1, PIC_MASK_BUT_TIMER);
    forget_interrupt();
    interrupts_restore(on);
}

/* The controller is told at once: timer_tick() may go on in another thread, and come
 * back much later. */
void timer_interrupt(const struct interrupt_frame *frame);
void timer_interrupt(const struct interrupt_frame *frame)
{
    if ((uintptr_t)frame < stack_limit)
        panic("stack overflow before 0x%08x", frame->eip);
    out8(PIC_FIRST, PIC_END);
    if (--tick_wait > 0)
        return;
    tick_wait = tick_interrupts;
    timer_tick();
}

/* A controller whose request went away before the processor asked for it says that it was
 * its last one; then nothing is in service, and nothing is to be ended. */
static bool is_last_in_service(uint16_t pic)
{
    out8(pic, PIC_READ_IN_SERVICE);
    return (in8(pic) & 0x80) != 0;
}

void spurious_interrupt_7(const struct interrupt_frame *frame);
void spurious_interrupt_7(const struct interrupt_frame *frame)
{
    if (is_last_in_service(PIC_FIRST))
        panic("unexpected interrupt 7 at 0x%08x", frame->eip);
}

/* The first controller does not know that the second one's request was spurious. */
void spurious_interrupt_15(const struct interrupt_frame *frame);
void spurious_interrupt_15(const struct interrupt_frame *frame)
{
    if (is_last_in_service(PIC_SECOND))
        panic("unexpected interrupt 15 at 0x%08x", frame->eip);
    out8(PIC_FIRST, PIC_END);
}
