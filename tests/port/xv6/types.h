/* types.h - of xv6's types those that the adapter, and what it includes, needs. */
typedef unsigned int uint;
typedef unsigned long uint64;
