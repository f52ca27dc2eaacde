/* program_session.h - one recording of a command and of what it starts, from the start to
 * the traces. */
#ifndef KMA_CAPTURE_PROGRAM_SESSION_H
#define KMA_CAPTURE_PROGRAM_SESSION_H

/* Returns the exit status: the command's, 128 and the signal's number when one killed it;
 * 127 when it is not found and 126 when it cannot be started, and nothing is written
 * then. */
int program_session(const char *output, char **command);

#endif
