/* kernel_session.h - one recording of the kernel, from the buffers to the file. */
#ifndef KMA_CAPTURE_KERNEL_SESSION_H
#define KMA_CAPTURE_KERNEL_SESSION_H

struct session {
    const char *output;
    double seconds; /* 0: no limit */
    char **command; /* NULL: none */
    long kilobytes; /* of the buffer of each CPU */
};

/* Returns the exit status: the command's; 127 when it is not found and 126 when it cannot
 * be started, and nothing is written then; 0 without a command. */
int session_run(const struct session *session);

#endif
