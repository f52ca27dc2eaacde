/* program_command.h - the command that is recorded, and what it starts. */
#ifndef KMA_CAPTURE_PROGRAM_COMMAND_H
#define KMA_CAPTURE_PROGRAM_COMMAND_H

/* From here on SIGINT, SIGTERM, SIGHUP and SIGQUIT are kept until they are asked for,
 * unless the caller has them ignored. Processes whose parent has ended become ours. */
void command_prepare(void);

/* Starts it with the caller's signals. Returns 0, or an error number. */
int command_start(char **command);

/* Waits until it and all that it has started have ended. A signal from the terminal has
 * reached the command already, one of a process is passed on to it. A second one of a
 * process, or any when only what it left behind still runs, ends the waiting. Returns its
 * exit status, 128 and the signal's number when one killed it; 0 when it still runs. */
int command_wait(void);

/* The number of a signal that came since; 0: none. */
int command_signal(void);

#endif
