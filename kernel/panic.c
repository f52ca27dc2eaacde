/* panic.c - the end of a kernel that cannot go on. */

#include <assert.h>
#include "kma.h"
#include "machine.h"
#include "print.h"
#include "process.h"
#include "steps/step.h"

void panic_end(void)
{
    print("panic: in process %d, in step %s\n", process_number(), step_name());
    machine_off(false);
}

void panic(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    interrupts_off();
    print("panic: ");
    print_list(format, arguments);
    print("\n");
    va_end(arguments);
    panic_end();
}

void __assert_fail(const char *condition, const char *file, unsigned line,
                   const char *function)
{
    panic("%s:%u: %s: %s does not hold", file, line, function, condition);
}

/* What an algorithm calls that finds something wrong. */
void error(char *message, char *arg)
{
    panic("%s %s", message, arg);
}
