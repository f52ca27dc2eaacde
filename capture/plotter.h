/* plotter.h - gnuplot as a child. */
#ifndef KMA_CAPTURE_PLOTTER_H
#define KMA_CAPTURE_PLOTTER_H

#include <stdio.h>

struct plotter {
    FILE *script; /* what it shall draw is written here */
    int complaints;
    int process;
};

/* Starts gnuplot with `file` as its standard output. Ends the run when it is not there. */
void plotter_begin(struct plotter *plotter, int file);

/* Ends the script and waits until all is drawn. Ends the run when that fails. */
void plotter_end(struct plotter *plotter);

#endif
