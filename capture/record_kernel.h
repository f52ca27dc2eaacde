/* record_kernel.h - recording the running kernel. */
#ifndef KMA_CAPTURE_RECORD_KERNEL_H
#define KMA_CAPTURE_RECORD_KERNEL_H

/* argv[0] is the word `kernel`. Returns the exit status. */
int record_kernel(int argc, char **argv);

#endif
