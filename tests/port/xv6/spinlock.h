/* spinlock.h - xv6's lock. Like there, it can be included once. */
struct cpu;

struct spinlock {
    uint locked;
    char *name;
    struct cpu *cpu;
};
