"""What the tests of `record program` share: running it, programs for it to record, and what
was recorded of them."""

import collections
import os
import re
import subprocess
import sys

from driver_case import DriverTest, word_bytes
from shared import ROOT

sys.path.insert(0, os.path.join(ROOT, "analysis"))

import ktr

RECORD = "capture/record"
PYTHON = "/usr/bin/python3"
CHUNK_RECORDS = (1 << 17) // 16  # requests that fill a chunk of the recorder's
LINE = re.compile(r"(\S+): (.*), process (\d+), (\d+) events?, (\d+) live at most\n")

Line = collections.namedtuple("Line", "path program pid events live")

# Each call once; what it must be seen as stands in test_every_function.
CALLS = r"""
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
int main(void)
{
    volatile size_t huge = SIZE_MAX / 2 + 100;
    void *a = malloc(10);
    void *b = calloc(3, 7);
    a = realloc(a, 100000);
    a = realloc(a, 5);
    void *c = realloc(NULL, 33);
    if (realloc(c, huge) != NULL || calloc(huge, 8) != NULL || malloc(huge) != NULL)
        return 1;
    void *d = reallocarray(NULL, 4, 8);
    if (reallocarray(d, huge, 8) != NULL)
        return 2;
    void *e = aligned_alloc(64, 128), *f = NULL, *g = NULL;
    if (posix_memalign(&f, 256, 200) != 0 || posix_memalign(&g, 3, 200) == 0)
        return 3;
    g = memalign(32, 40);
    void *h = valloc(50), *i = pvalloc(60), *j = malloc(0);
    free(NULL);
    if (realloc(c, 0) != NULL)
        return 4;
    void *all[] = {a, b, d, e, f, g, h, i, j};
    for (int k = 0; k < 9; k++)
        free(all[k]);
    return 0;
}
"""

# Blocks go from thread to thread, and a third of them is resized on the way.
HAND_OVER = r"""
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
enum { SLOTS = 16, THREADS = 4, ROUNDS = 100000 };
static void *slot[SLOTS];
static void *take(uint32_t which, void *given)
{
    return __atomic_exchange_n(&slot[which % SLOTS], given, __ATOMIC_ACQ_REL);
}
static void *work(void *argument)
{
    uint32_t state = (uint32_t)(uintptr_t)argument;
    for (int i = 0; i < ROUNDS; i++) {
        state = state * 1664525 + 1013904223;
        void *block = take(state >> 8, NULL);
        size_t size = 1 + (state >> 16) % 3000;
        if (block == NULL || state % 3 != 0) {
            free(block);
            block = malloc(size);
        } else {
            block = realloc(block, size);
        }
        free(take(state >> 24, block));
    }
    return NULL;
}
int main(void)
{
    pthread_t thread[THREADS];
    for (long i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, work, (void *)(i + 1));
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    for (int i = 0; i < SLOTS; i++)
        free(slot[i]);
    return 0;
}
"""

# What each kind of child does shows in the sizes: 100 to 199 are the parent's, the first
# child's are from 200 on, and so forth.
CHILDREN = r"""
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
extern char **environ;
int main(int argc, char **argv)
{
    if (argc > 1) {
        free(malloc((size_t)atoi(argv[1])));
        return 0;
    }
    void *old = malloc(100), *kept = malloc(101);
    if (fork() == 0) {
        free(old);
        free(malloc(200));
        execl(argv[0], argv[0], "300", (char *)NULL);
        _exit(1);
    }
    wait(NULL);
    pid_t bare = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (bare == 0) {
        free(malloc(400));
        free(kept);
        _exit(0);
    }
    waitpid(bare, NULL, 0);
    free(malloc(102));
    pid_t pid = vfork();
    if (pid == 0) {
        execl(argv[0], argv[0], "500", (char *)NULL);
        _exit(1);
    }
    waitpid(pid, NULL, 0);
    char *arguments[] = {argv[0], "600", NULL};
    if (posix_spawn(&pid, argv[0], NULL, NULL, arguments, environ) == 0)
        waitpid(pid, NULL, 0);
    free(malloc(103));
    free(kept);
    free(old);
    return 0;
}
"""

# ROUNDS requests of 24 bytes, none freed, after something that might hinder recording.
ALONE = r"""
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
static void before(void) { %s }
static void after(void) { %s }
int main(void)
{
    before();
    for (int i = 0; i < %d; i++)
        if (malloc(24) == NULL)
            return 9;
    after();
    return 0;
}
"""

# A handler requests and frees blocks of 48 bytes, whatever it interrupts. The allocator
# of BUMP allows that.
HANDLER = r"""
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
static volatile int handled;
static void handle(int number)
{
    (void)number;
    free(malloc(48));
    handled++;
}
int main(void)
{
    struct itimerval often = {{0, 100}, {0, 100}}, never = {{0, 0}, {0, 0}};
    signal(SIGALRM, handle);
    setitimer(ITIMER_REAL, &often, NULL);
    for (int i = 0; i < 1000000; i++)
        free(malloc(24));
    setitimer(ITIMER_REAL, &never, NULL);
    fprintf(stderr, "handled %d\n", handled);
    return 0;
}
"""

BUMP = r"""
#include <stddef.h>
#include <string.h>
static char heap[1 << 28] __attribute__((aligned(16)));
static size_t used;
void *malloc(size_t size)
{
    size = (size + 31) / 16 * 16;
    return heap + __atomic_fetch_add(&used, size, __ATOMIC_RELAXED) % (sizeof heap - 65536);
}
void free(void *pointer) { (void)pointer; }
void *calloc(size_t count, size_t size) { return memset(malloc(count * size), 0, count * size); }
void *realloc(void *old, size_t size)
{
    (void)old;
    return malloc(size);
}
"""

SHORT_THREADS = r"""
#include <pthread.h>
#include <stdlib.h>
static void *work(void *argument)
{
    free(malloc(24));
    return argument;
}
int main(void)
{
    pthread_t thread;
    for (int i = 0; i < 1000; i++) {
        if (pthread_create(&thread, NULL, work, NULL) != 0)
            return 1;
        pthread_join(thread, NULL);
    }
    return 0;
}
"""


class RecordTest(DriverTest):
    def compile(self, name, source, *options):
        """An executable of the recorder's word size, or with options else."""
        compiler = os.environ.get("KMA_CC", "gcc").split()
        word = ["-m32"] if word_bytes() == 4 else []
        self.write(f"{name}.c", source)
        # The compiler must not drop pairs of calls that cancel each other out.
        subprocess.run([*compiler, *word, "-O1", "-w", "-fno-builtin", "-D_GNU_SOURCE",
                        f"{name}.c", "-o", name, *options], cwd=self.folder, check=True)
        os.unlink(self.path(f"{name}.c"))
        return f"./{name}"

    def run_record(self, *arguments, **options):
        return self.run_driver(RECORD, "program", *arguments, **options)

    def record(self, *command, status=0, **options):
        """Lines of what was written to out.ktr and so on, and all of standard error."""
        result = self.run_record("-o", "out.ktr", "--", *command, **options)
        self.assertEqual(result.returncode, status, result.stderr)
        self.no_scratch()
        return [Line(*line) for line in LINE.findall(result.stderr)], result.stderr

    def no_scratch(self):
        self.assertEqual([name for name in os.listdir(self.folder)
                          if name.startswith(".kma")], [])

    def events(self, name, of):
        """(size, number of the request it frees) of the events that a program asked for
        itself, the way it asked: frees have size 0, requests no number."""
        request_in, found, requests = {}, [], 0
        for size, slot, site in ktr.events(self.path(name), ("site",)):
            own = site is not None and site.startswith(f"{of}+0x")
            if size:
                request_in[slot] = requests if own else None
                requests += own
            if own:
                found.append((size, None if size else request_in[slot]))
        return found

    def sizes(self, name, of):
        return [size for size, _ in self.events(name, of)]

    def needs_shell(self):
        if word_bytes() != 8:
            self.skipTest("the shell is a 64-bit program")

    def exact(self, stderr):
        self.assertNotIn("from before the recording", stderr)
        self.assertNotIn("handed out again", stderr)
        self.assertNotIn("lost", stderr)
