/* console.c - the first serial port, a 16550 that is asked whether it has room. */

#include "machine.h"
#include "x86.h"

enum {
    PORT = 0x3f8,
    DATA = PORT, /* or the low byte of the divisor, while LINE_DIVISOR is on */
    INTERRUPTS = PORT + 1,
    FIFOS = PORT + 2,
    LINE = PORT + 3,
    MODEM = PORT + 4,
    STATUS = PORT + 5,

    LINE_8_BITS = 0x03,
    LINE_DIVISOR = 0x80,
    FIFOS_ON_AND_EMPTY = 0x07,
    MODEM_READY = 0x03,
    STATUS_ROOM = 0x20,
    STATUS_IDLE = 0x40,
};

/* 115200 baud, 8 bits, no parity, one stop bit. */
void console_start(void)
{
    out8(INTERRUPTS, 0);
    out8(LINE, LINE_DIVISOR);
    out8(DATA, 1);
    out8(DATA + 1, 0);
    out8(LINE, LINE_8_BITS);
    out8(FIFOS, FIFOS_ON_AND_EMPTY);
    out8(MODEM, MODEM_READY);
}

/* Where there is no serial port all bits of its status are on. */
static void wait_until(uint8_t bit)
{
    while ((in8(STATUS) & bit) == 0)
        __asm__ volatile("pause");
}

void machine_put(char byte)
{
    wait_until(STATUS_ROOM);
    out8(DATA, (uint8_t)byte);
}

/* Until the last byte has left. */
void console_drain(void)
{
    wait_until(STATUS_IDLE);
}
