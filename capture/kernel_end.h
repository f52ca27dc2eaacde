/* kernel_end.h - what ends a recording: its time, its command, or a signal. */
#ifndef KMA_CAPTURE_KERNEL_END_H
#define KMA_CAPTURE_KERNEL_END_H

#include <stdbool.h>

/* From here on SIGINT, SIGTERM, SIGHUP and SIGQUIT end the recording and no longer the
 * run, unless the caller has them ignored. */
void end_watch_signals(void);

/* The recording begins: for `seconds`, or while `command` runs, which is started now
 * with the caller's signals; 0 and NULL: until a signal. Returns 0, or the error number
 * of the command that cannot be started. */
int end_start(double seconds, char **command);

/* Waits a moment; true when the recording is over. With a command a signal is meant for
 * the command: one from the terminal has reached it already, the first of a process is
 * passed on. The second of a process ends the recording and leaves the command alone. */
bool end_wait(void);

/* Seconds since end_start. */
double end_seconds(void);

/* The command's exit status, 128 and the signal's number when one killed it; 0 when
 * there was no command or it still runs. */
int end_status(void);

#endif
