/* faults.h - what faults.c offers a program that finds it with dlsym. */
#ifndef TESTS_HOST_FAULTS_H
#define TESTS_HOST_FAULTS_H

#include <stdbool.h>

enum fault_kind {
    FAULT_NONE,
    FAULT_ONE,  /* only the n-th call from now on fails */
    FAULT_ALL,  /* it, and all after it */
    FAULT_BACK, /* it, and all after it, of the calls that give memory back */
};

/* Starts to count anew. */
typedef void set_faults_function(enum fault_kind kind, long nth);

/* How many calls there were since then, and how many of them were made to fail. */
typedef long fault_count_function(bool failed);

#endif
