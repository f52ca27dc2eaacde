/* record_program.h - `record program`: a program's calls of malloc and the like. */
#ifndef KMA_CAPTURE_RECORD_PROGRAM_H
#define KMA_CAPTURE_RECORD_PROGRAM_H

/* argv[0] is the word `program`. Returns the exit status. */
int record_program(int argc, char **argv);

#endif
