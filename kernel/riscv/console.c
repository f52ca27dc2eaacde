/* console.c - the serial port, an ns16550. QEMU's has no line whose speed could be wrong:
 * it sends without having been set up. */

#include "machine.h"
#include "riscv.h"

#define UART 0x10000000
#define TRANSMIT (UART + 0)
#define LINE_STATUS (UART + 5)
#define LINE_STATUS_ROOM 0x20 /* TRANSMIT can take a byte */
#define LINE_STATUS_SENT 0x40 /* and all bytes have left */

void machine_put(char byte)
{
    while ((*register8(LINE_STATUS) & LINE_STATUS_ROOM) == 0)
        ;
    *register8(TRANSMIT) = (uint8_t)byte;
}

void console_flush(void)
{
    while ((*register8(LINE_STATUS) & LINE_STATUS_SENT) == 0)
        ;
}
