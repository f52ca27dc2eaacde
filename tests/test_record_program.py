#!/usr/bin/python3
"""record program: that a trace has exactly what the program did, whatever becomes of the
program, and that nothing else is left behind."""

import collections
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
import unittest

from driver_case import BUILD, DriverTest, program, word_bytes
from shared import ROOT

sys.path.insert(0, os.path.join(ROOT, "analysis"))

import ktr  # noqa: E402

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


class ExactTest(RecordTest):
    def test_every_function(self):
        lines, stderr = self.record(self.compile("calls", CALLS))
        self.exact(stderr)
        self.assertEqual([line.path for line in lines], ["out.ktr"])
        free = [(0, number) for number in (3, 1, 5, 6, 7, 8, 9, 10, 11)]
        self.assertEqual(self.events("out.ktr", "calls"), [
            (10, None), (21, None),                        # malloc, calloc
            (100000, None), (0, 0), (5, None), (0, 2),     # realloc up and down
            (33, None), (32, None),                        # realloc and its array, of NULL
            (128, None), (200, None), (40, None),          # aligned
            (50, None), (60, None), (1, None),             # to a page; of 0 bytes
            (0, 4), *free])
        self.assertIn("1 request of 0 bytes", stderr)
        self.assertIn("5 calls that returned NULL", stderr)

    def test_what_is_told_of_the_trace(self):
        self.record(self.compile("calls", CALLS), "a b", "c\nd")
        facts = ktr.facts(self.path("out.ktr"))
        system = os.uname()
        self.assertEqual(facts.about["columns"], "time,site")
        self.assertEqual(facts.about["origin"], "program")
        self.assertEqual(facts.about["program"], "calls")
        self.assertEqual(facts.about["command"], "./calls a b c?d")
        self.assertEqual(facts.about["system"], f"{system.sysname} {system.release}")
        self.assertEqual(facts.about["machine"], system.machine)
        self.assertEqual(facts.about["word"], str(word_bytes()))
        self.assertRegex(facts.about["recorded"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertEqual(facts.lost, 0)

    def test_blocks_that_go_from_thread_to_thread(self):
        lines, stderr = self.record(self.compile("hand_over", HAND_OVER, "-pthread"))
        self.exact(stderr)
        sizes = self.sizes("out.ktr", "hand_over")
        self.assertEqual(sizes.count(0), len(sizes) / 2)
        self.assertEqual(len(sizes), 2 * 4 * 100000)
        self.assertGreaterEqual(int(lines[0].events), len(sizes))

    def test_allocation_heavy_threads(self):
        with open(os.path.join(ROOT, "tests/alloc_heavy.c"), encoding="utf-8") as file:
            heavy = self.compile("heavy", file.read(), "-pthread")
        for threads in (1, 4):
            _, stderr = self.record(heavy, str(threads), "50000")
            self.exact(stderr)
            sizes = self.sizes("out.ktr", "heavy")
            self.assertEqual(len(sizes), 2 * threads * 50000)
            self.assertEqual(sizes.count(0), len(sizes) / 2)

    def test_times_never_fall_and_span_the_run(self):
        self.record(self.compile("alone", ALONE % ("malloc(77);", "sleep(1); malloc(78);",
                                                   1000)))
        at, last = {}, 0
        for size, _, now in ktr.events(self.path("out.ktr"), ("time",)):
            self.assertGreaterEqual(now, last)
            last = at[size] = now
        self.assertGreaterEqual(at[78] - at[24], 9 * 10**8)

    def test_children(self):
        children = self.compile("children", CHILDREN)
        lines, stderr = self.record(os.path.join(self.folder, children))
        self.exact(stderr)
        found = [self.sizes(line.path, "children") for line in lines]
        self.assertEqual(found, [[100, 101, 102, 0, 103, 0, 0, 0], [200, 0], [300, 0],
                                 [400, 0], [500, 0], [600, 0]])
        self.assertEqual([line.path for line in lines],
                         ["out.ktr", *(f"out-{n}.ktr" for n in range(2, 7))])
        pids = [line.pid for line in lines]
        self.assertEqual(pids[1], pids[2])
        self.assertEqual(len(set(pids)), 5)

    def test_a_thousand_short_threads_share_chunks(self):
        # A chunk for each would be over the limit that the file is given here.
        threads = self.compile("threads", SHORT_THREADS, "-pthread")
        lines, stderr = self.record("sh", "-c", f"ulimit -f 4096; exec {threads}")
        self.exact(stderr)
        self.assertEqual(self.sizes(lines[-1].path, "threads"), [24, 0] * 1000)

    def test_a_handler_that_allocates_anywhere(self):
        handler = self.compile("handler", HANDLER)
        bump = self.compile("bump.so", BUMP, "-shared", "-fPIC")
        lines, stderr = self.record("sh", "-c",
                                    f"LD_PRELOAD=$LD_PRELOAD:{bump} exec {handler}")
        self.exact(stderr)
        handled = int(re.search(r"handled (\d+)\n", stderr)[1])
        sizes = self.sizes(lines[-1].path, "handler")
        self.assertEqual(sizes.count(24), 1000000)
        self.assertEqual(sizes.count(48), handled)
        self.assertEqual(sizes.count(0), 1000000 + handled)


class HinderedTest(RecordTest):
    def alone(self, before="", after="", rounds=3 * CHUNK_RECORDS, status=0, **options):
        """The sizes that are recorded of a program that requests 24 bytes each time."""
        alone = self.compile("alone", ALONE % (before, after, rounds))
        self.record(alone, status=status, **options)
        return self.sizes("out.ktr", "alone")

    def test_killed(self):
        self.assertEqual(self.alone(after="raise(SIGKILL);", status=128 + 9),
                         [24] * 3 * CHUNK_RECORDS)

    def test_ended_at_once(self):
        self.assertEqual(self.alone(after="_exit(7);", status=7, rounds=10), [24] * 10)

    def test_closes_all_descriptors(self):
        self.assertEqual(self.alone("for (int i = 0; i < 1000; i++) close(i);"),
                         [24] * 3 * CHUNK_RECORDS)

    def test_moves_and_masks(self):
        self.assertEqual(self.alone("umask(0777); if (chdir(\"/\") != 0) _exit(8);"),
                         [24] * 3 * CHUNK_RECORDS)

    def test_mask_of_the_caller(self):
        self.needs_shell()
        old = os.umask(0o777)
        self.addCleanup(os.umask, old)
        result = self.run_record("-o", "out.ktr", "--", "sh", "-c", "exit 5")
        self.assertEqual(result.returncode, 5, result.stderr)

    def stopped(self, lines, stderr, rounds, reason):
        """What is in the trace and what is said to be lost are all there was."""
        lost = ktr.facts(self.path(lines[-1].path)).lost
        self.assertIn(f"{lost} events were lost: the recording stopped: {reason}\n", stderr)
        sizes = self.sizes(lines[-1].path, "alone")
        self.assertEqual(sizes, [24] * len(sizes))
        self.assertGreaterEqual(len(sizes) + lost, rounds)
        self.assertLess(len(sizes), rounds)
        self.assertGreater(len(sizes), 0)

    def test_file_size_limit(self):
        rounds = 20 * CHUNK_RECORDS
        alone = self.compile("alone", ALONE % (
            "struct rlimit few = {1 << 20, 1 << 20}; setrlimit(RLIMIT_FSIZE, &few);", "",
            rounds))
        self.stopped(*self.record(alone), rounds, "File too large")

    def test_full_disk(self):
        os.mkdir(self.path("small"))
        mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs",
                                self.path("small")], check=False, capture_output=True)
        if mount.returncode != 0:
            self.skipTest("a small file system cannot be mounted here")
        self.addCleanup(subprocess.run, ["umount", self.path("small")], check=True)
        rounds = 20 * CHUNK_RECORDS
        alone = self.compile("alone", ALONE % ("", "", rounds))
        result = self.run_record("-o", "small/out.ktr", "--", alone)
        self.assertEqual(result.returncode, 0, result.stderr)
        lines = [Line(*line) for line in LINE.findall(result.stderr)]
        self.stopped(lines, result.stderr, rounds, "No space left on device")
        self.assertEqual(os.listdir(self.path("small")), ["out.ktr"])

    def test_a_folder_that_vanishes(self):
        # As if the program had changed its root or given up its rights.
        alone = self.compile("alone", ALONE % (
            'if (system("mv .kma-record-* gone") != 0) _exit(8);',
            'if (system("mv gone .kma-record-abcdef") != 0) _exit(8);',
            3 * CHUNK_RECORDS))
        result = self.run_record("-o", "out.ktr", "--", alone)
        self.assertEqual(result.returncode, 2, result.stderr)
        self.assertIn("cannot be read: No such file or directory\n", result.stderr)


class CommandTest(RecordTest):
    def test_real_program_replays(self):
        self.needs_shell()  # and Python is one, too
        lines, stderr = self.record(PYTHON, "-c", "import json, asyncio")
        self.exact(stderr)
        self.assertGreater(int(lines[0].events), 5000)
        self.assertEqual(int(lines[0].events), ktr.facts(self.path("out.ktr")).events)
        modules = collections.Counter(
            (site or "?").split("+")[0]
            for _, _, site in ktr.events(self.path("out.ktr"), ("site",)))
        self.assertTrue(modules.most_common(1)[0][0].startswith("python"), modules)
        self.passes("capture/convert", "--quiet", "out.ktr", "-o", "small.ktr")
        self.assertIn("Test: PASS",
                      self.passes("kma_bud", "--no-output", "small.ktr"))

    def test_status_is_passed_on(self):
        self.needs_shell()
        for status in (0, 1, 77, 255):
            self.record("sh", "-c", f"exit {status}", status=status)
        self.record("sh", "-c", "kill -TERM $$", status=128 + signal.SIGTERM)

    def test_output_of_the_command_is_its_own(self):
        self.needs_shell()
        result = self.run_record("-o", "out.ktr", "--", "sh", "-c", "cat; echo told >&2",
                                 input="through\n")
        self.assertEqual(result.stdout, "through\n")
        self.assertTrue(result.stderr.startswith("told\n"), result.stderr)

    def test_names_of_traces(self):
        self.needs_shell()
        for output, second in (("plain", "plain-2"), ("a.b.ktr", "a.b-2.ktr"),
                               (".hidden", ".hidden-2"), ("fold.er/x", "fold.er/x-2")):
            os.makedirs(self.path("fold.er"), exist_ok=True)
            result = self.run_record("-o", output, "--", "sh", "-c", "(exec sh -c :); :")
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertEqual([line[0] for line in LINE.findall(result.stderr)][:2],
                             [output, second])
            self.assertTrue(os.path.exists(self.path(second)))

    def test_many_processes(self):
        self.needs_shell()
        lines, _ = self.record("sh", "-c", "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do "
                               "sh -c : ; done; :")
        self.assertGreaterEqual(len(lines), 13)
        for line in lines:
            self.assertEqual(ktr.facts(self.path(line.path)).events, int(line.events))

    @unittest.skipIf("sanitize" in BUILD, "the sanitizers want to be preloaded first")
    def test_preloaded_library_stays(self):
        environment = self.preloaded("#include <stdlib.h>\n"
                                     "void leave(int status) { _Exit(status + 40); }\n")
        self.write("prints.c", "#include <stdio.h>\n#include <stdlib.h>\n"
                   "int main(void) { puts(getenv(\"LD_PRELOAD\")); return 0; }\n")
        name = self.compile("prints", self.read("prints.c"))
        result = self.run_record("-o", "out.ktr", "--", name, env=environment)
        first, second = result.stdout.rstrip().split(":")
        self.assertTrue(first.endswith("/capture/librecorder.so"))
        self.assertEqual(second, self.path("library.so"))

    def test_what_is_left_running_is_waited_for(self):
        alone = self.compile("alone", ALONE % ("sleep(2);", "", 10))
        lines, stderr = self.record("sh", "-c", f"{alone} & exit 3", status=3)
        self.assertIn("waiting for what it left running\n", stderr)
        self.assertEqual(self.sizes(lines[-1].path, "alone"), [24] * 10)


class SignalTest(RecordTest):
    def started(self, *command, **options):
        process = subprocess.Popen(
            [program(RECORD), "program", "-o", "out.ktr", "--", *command],
            cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True, **options)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.stdout.close)
        self.assertEqual(process.stdout.readline(), "ready\n")
        return process

    def ended(self, process, status):
        _, stderr = process.communicate(timeout=60)
        self.assertEqual(process.returncode, status, stderr)
        self.no_scratch()
        return stderr

    READY = 'if (write(1, "ready\\n", 6) != 6) _exit(8); '

    def test_a_signal_is_passed_on_and_the_trace_written(self):
        alone = self.compile("alone", ALONE % ("", self.READY + "sleep(60);", 100))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            process = self.started(alone)
            process.send_signal(number)
            self.ended(process, 128 + number)
            self.assertEqual(self.sizes("out.ktr", "alone"), [24] * 100)

    def test_a_second_signal_ends_the_recording(self):
        alone = self.compile("alone", ALONE % (
            "", "signal(SIGTERM, SIG_IGN); " + self.READY + "sleep(3);", 100))
        process = self.started(alone)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)  # two at once would count as one
        process.send_signal(signal.SIGTERM)
        self.assertIn("goes on without being recorded", self.ended(process, 0))
        self.assertEqual(self.sizes("out.ktr", "alone"), [24] * 100)

    def test_a_signal_ends_the_waiting(self):
        alone = self.compile("alone", ALONE % ("", "sleep(4);", 100))
        process = self.started("sh", "-c", f"{alone} & sleep 1; echo ready; exit 3")
        time.sleep(0.5)  # for the shell to end
        process.send_signal(signal.SIGTERM)
        self.assertIn("goes on without being recorded", self.ended(process, 3))

    def test_interrupt_from_the_terminal(self):
        alone = self.compile("alone", ALONE % ("", self.READY + "sleep(60);", 100))
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(self.folder)
            os.execv(program(RECORD), ["record", "program", "-o", "out.ktr", "--", alone])
        said = b""
        try:
            while b"ready" not in said:
                said += os.read(terminal, 1000)
            os.write(terminal, b"\x03")
            while True:
                said += os.read(terminal, 1000)
        except OSError:
            pass  # the other end is closed
        finally:
            os.close(terminal)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]),
                         128 + signal.SIGINT, said)
        self.assertEqual(self.sizes("out.ktr", "alone"), [24] * 100)
        self.no_scratch()


class RefusalTest(RecordTest):
    def refuses(self, *arguments, status=2):
        before = self.files()
        result = self.run_record(*arguments)
        self.assertEqual(result.returncode, status, result.stderr)
        self.assertEqual(self.files(), before)
        return self.one_line(result.stderr)

    def test_command_line(self):
        for arguments, message in (
                ((), "no output given: -o"),
                (("-o", "x.ktr"), "no command given"),
                (("-o", "x.ktr", "--"), "no command given"),
                (("-o",), "-o wants a value"),
                (("-o", "-", "--", "true"), "standard output is the command's"),
                (("--frob", "--", "true"), "--frob is no option")):
            self.assertIn(f"record program: {message}", self.refuses(*arguments))

    def test_help_and_version(self):
        for option in ("--help", "--version"):
            result = self.run_record(option)
            self.assertEqual((result.returncode, result.stderr), (0, ""))
            self.assertIn("record", result.stdout)

    def test_command_that_cannot_be_started(self):
        self.assertIn("nothing-like-it: command not found",
                      self.refuses("-o", "x.ktr", "--", "nothing-like-it", status=127))
        self.write("text", "no program\n")
        self.assertIn("./text: Permission denied",
                      self.refuses("-o", "x.ktr", "--", "./text", status=126))

    def test_output_that_cannot_be_written(self):
        mark = ("--", "sh", "-c", "touch started")
        self.assertEqual(self.refuses("-o", "none/x.ktr", *mark),
                         "none/x.ktr: cannot be written: No such file or directory")
        os.mkdir(self.path("folder"))
        self.assertIn("folder: is no regular file", self.refuses("-o", "folder", *mark))
        self.assertIn("/dev/full: is no regular file",
                      self.refuses("-o", "/dev/full", *mark))

    def test_folder_that_may_not_be_written_to(self):
        if os.getuid() != 0:
            self.skipTest("only root can become somebody else")
        os.chmod(self.folder, 0o755)
        shutil.copy(program(RECORD), self.path("record"))
        shutil.copy(program("capture/librecorder.so"), self.path("librecorder.so"))
        result = subprocess.run(
            ["./record", "program", "-o", "x.ktr", "--", "sh", "-c", "echo started"],
            cwd=self.folder, text=True, check=False, capture_output=True,
            preexec_fn=lambda: os.setuid(65534))
        self.assertEqual((result.returncode, result.stdout), (2, ""))
        self.assertEqual(result.stderr, "x.ktr: cannot be written: Permission denied\n")

    def test_recorder_that_is_not_there(self):
        shutil.copy(program(RECORD), self.path("record"))
        result = subprocess.run(["./record", "program", "-o", "x.ktr", "--", "true"],
                                cwd=self.folder, text=True, check=False,
                                capture_output=True)
        self.assertEqual(result.returncode, 2)
        self.assertRegex(self.one_line(result.stderr),
                         r"/librecorder\.so: cannot be read: No such file or directory$")
        self.no_scratch()

    def test_recorder_in_a_folder_that_nothing_is_preloaded_from(self):
        os.mkdir(self.path("a b"))
        for name in ("record", "librecorder.so"):
            shutil.copy(program(f"capture/{name}"), self.path(f"a b/{name}"))
        result = subprocess.run(["a b/record", "program", "-o", "x.ktr", "--", "true"],
                                cwd=self.folder, text=True, check=False,
                                capture_output=True)
        self.assertEqual(result.returncode, 2)
        self.assertIn("a space or a colon", self.one_line(result.stderr))

    def test_static_program(self):
        static = self.compile("static", CALLS, "-static")
        self.assertRegex(self.refuses("-o", "x.ktr", "--", static),
                         r"^\./static: no allocation was recorded: is it a static, ")

    def test_file_that_was_there_stays_when_nothing_is_recorded(self):
        self.write("x.ktr", "old\n")
        static = self.compile("static", CALLS, "-static")
        self.refuses("-o", "x.ktr", "--", static)
        self.assertEqual(self.read("x.ktr"), "old\n")


if __name__ == "__main__":
    unittest.main()
