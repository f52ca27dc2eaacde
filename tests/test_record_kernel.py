#!/usr/bin/python3
"""record kernel: what it says without a kernel to record, and recordings of this one."""

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

from driver_case import program, word_bytes, DriverTest
from shared import ROOT, read

sys.path.insert(0, os.path.join(ROOT, "analysis"))
import ktr  # noqa: E402

TRACEFS = "/sys/kernel/tracing"
INSTANCES = f"{TRACEFS}/instances"
RECORD = "capture/record"
OPENS = 300

COMMON = """\
format:
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;
\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;
\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;

\tfield:unsigned long call_site;\toffset:8;\tsize:8;\tsigned:0;
\tfield:const void * ptr;\toffset:16;\tsize:8;\tsigned:0;
"""
SIZES = """\
\tfield:size_t bytes_req;\toffset:24;\tsize:8;\tsigned:0;
\tfield:size_t bytes_alloc;\toffset:32;\tsize:8;\tsigned:0;
"""
HEADER_PAGE = """\
\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;
\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;
\tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;
\tfield: char data;\toffset:16;\tsize:4080;\tsigned:0;
"""
EVENTS = {"kmalloc": SIZES, "kfree": "", "kmem_cache_alloc": SIZES, "kmem_cache_free": ""}


class RecordTest(DriverTest):
    def record(self, *arguments, **options):
        return self.run_driver(RECORD, "kernel", *arguments, **options)

    def refuses(self, *arguments, **options):
        return self.refused(RECORD, "kernel", *arguments, **options)

    def tree(self):
        """A tracing folder made up, with the tracepoints of a kernel."""
        for number, (name, fields) in enumerate(EVENTS.items()):
            os.makedirs(self.path(f"tracing/events/kmem/{name}"))
            self.write(f"tracing/events/kmem/{name}/format",
                       f"name: {name}\nID: {number + 300}\n{COMMON}{fields}\nprint fmt: \"\"\n")
        self.write("tracing/events/kmem/enable", "0\n")
        self.write("tracing/events/header_page", HEADER_PAGE)
        self.write("tracing/events/header_event", "")
        os.mkdir(self.path("tracing/instances"))
        return {**os.environ, "KMA_TRACEFS": self.path("tracing")}


class CommandLine(RecordTest):
    def test_help_and_version(self):
        for arguments in (["--help"], ["kernel", "--help"]):
            text = self.passes(RECORD, *arguments)
            self.assertTrue(text.startswith(f"Usage: {program(RECORD)} kernel "), text)
            for line in text.splitlines():
                self.assertLessEqual(len(line.replace(program(RECORD), "record")), 80)
        self.assertIn("whole system", text)
        self.assertIn("--buffer KB", text)
        for arguments in (["--version"], ["kernel", "--version"]):
            self.assertRegex(self.passes(RECORD, *arguments), r"\(kma\) [\w.]+\n$")

    def test_what_makes_no_sense(self):
        for arguments, message in (
                ([], "no output given: -o"),
                (["--", "true"], "no output given: -o"),
                (["-o"], "-o wants a value"),
                (["-o", "x", "--"], "no command after --"),
                (["-o", "x", "--frob"], "--frob is no option"),
                (["-o", "x", "--help=y"], "--help=y is no option, or takes no value"),
                (["-o", "x", "--seconds", "0"], "--seconds wants a number over 0"),
                (["-o", "x", "--seconds", "-1"], "--seconds wants a number over 0"),
                (["-o", "x", "--seconds", "1s"], "not '1s'"),
                (["-o", "x", "--seconds", "nan"], "not 'nan'"),
                (["-o", "x", "--seconds", "9" * 400], "--seconds wants"),
                (["-o", "x", "--seconds", "1", "--", "true"], "no meaning with a command"),
                (["-o", "x", "--buffer", "0"], "--buffer wants a number from 1"),
                (["-o", "x", "--buffer", "4k"], "not '4k'"),
                (["-o", "x", "--buffer", "9" * 30], "--buffer wants"),
                (["-o", "-", "--", "true"], "standard output is the command's")):
            with self.subTest(arguments=arguments):
                error = self.refuses(*arguments)
                self.assertTrue(error.startswith(f"{program(RECORD)} kernel: "), error)
                self.assertIn(message, error)
                self.assertIn("(try --help)", error)
        for arguments in ([], ["colonel"], [""], ["-o", "x"]):
            self.assertIn("kernel or program wanted", self.refused(RECORD, *arguments))
        self.assertEqual(self.files(), [])

    @unittest.skipUnless(word_bytes() == 4, "this is a 64-bit build")
    def test_a_32_bit_build_records_no_kernel(self):
        self.assertIn("64-bit build", self.refuses("-o", "x", "--", "true"))
        self.assertEqual(self.files(), [])


@unittest.skipIf(word_bytes() == 4, "a kernel is recorded by a 64-bit build")
class NoKernel(RecordTest):
    def test_not_root(self):
        shutil.copy(program(RECORD), self.path("record"))
        os.chmod(self.folder, 0o777)
        done = subprocess.run(
            ["./record", "kernel", "-o", "x", "--", "true"], cwd=self.folder, text=True,
            check=False, capture_output=True, timeout=120,
            preexec_fn=lambda: os.setuid(65534) if os.geteuid() == 0 else None)
        self.assertEqual(done.returncode, 2)
        self.assertIn("recording the kernel needs root", self.one_line(done.stderr))
        self.assertEqual(self.files(), ["record"])

    def test_no_tracing_there(self):
        error = self.refuses("-o", "x", "--", "true",
                             env={**os.environ, "KMA_TRACEFS": self.path("nowhere")})
        self.assertTrue(error.startswith(self.path("nowhere")), error)
        self.assertIn("No such file", error)

    def test_a_tracepoint_that_the_kernel_does_not_have(self):
        for name in EVENTS:
            with self.subTest(name=name):
                environment = self.tree()
                shutil.rmtree(self.path(f"tracing/events/kmem/{name}"))
                self.assertIn(f"no tracepoint kmem:{name}:",
                              self.refuses("-o", "x", "--", "true", env=environment))
                shutil.rmtree(self.path("tracing"))
                self.assertEqual(self.files(), [])

    def test_a_tracepoint_without_what_is_needed(self):
        for name, field in (("kmalloc", "bytes_req"), ("kfree", "ptr"),
                            ("kmem_cache_free", "call_site")):
            with self.subTest(name=name):
                environment = self.tree()
                path = f"tracing/events/kmem/{name}/format"
                self.write(path, re.sub(rf".* {field};.*\n", "", self.read(path)))
                self.assertEqual(self.refuses("-o", "x", "--", "true", env=environment),
                                 f"the tracepoint kmem:{name} has no field {field}")
                shutil.rmtree(self.path("tracing"))
                self.assertEqual(self.files(), [])

    def test_a_format_that_cannot_be_read(self):
        environment = self.tree()
        for text in ("", "name: kfree\n", "\0\xff" * 5000):
            self.write("tracing/events/kmem/kfree/format", text)
            self.assertIn("cannot be read",
                          self.refuses("-o", "x", "--", "true", env=environment))
        self.assertEqual(self.files(), ["tracing"])


def is_mounted():
    return any(line.split()[1] == TRACEFS for line in read("/proc/mounts").splitlines())


def obstacle():
    """Why no kernel can be recorded here, or None. Tracing is mounted then."""
    if word_bytes() == 4:
        return "a kernel is recorded by a 64-bit build"
    if os.geteuid() != 0:
        return "recording a kernel needs root"
    if not is_mounted():
        done = subprocess.run(["mount", "-t", "tracefs", "nodev", TRACEFS], text=True,
                              check=False, capture_output=True)
        if done.returncode != 0:
            return f"tracefs cannot be mounted: {done.stderr.strip()}"
    if not os.path.isdir(f"{TRACEFS}/events/kmem/kmalloc"):
        return "this kernel has no tracepoint kmem:kmalloc"
    return None


class LiveTest(RecordTest):
    """Recordings of the kernel that the tests run on."""

    @classmethod
    def setUpClass(cls):
        mounted = is_mounted()
        why = obstacle()
        if not mounted and is_mounted():
            cls.addClassCleanup(subprocess.run, ["umount", TRACEFS], check=False)
        if why is not None:
            raise unittest.SkipTest(why)

    def start(self, *arguments, **options):
        """A recording that has begun."""
        recorder = subprocess.Popen(
            [program(RECORD), "kernel", "-o", "out.ktr", *arguments], cwd=self.folder,
            text=True, stderr=subprocess.PIPE, **options)
        self.addCleanup(recorder.stderr.close)
        self.addCleanup(recorder.wait)
        self.addCleanup(recorder.kill)
        switch = f"{INSTANCES}/kma-{recorder.pid}/tracing_on"
        deadline = time.monotonic() + 60
        while not os.path.exists(switch) or read(switch) != "1\n":
            self.assertIsNone(recorder.poll(), "it ended before it began")
            self.assertLess(time.monotonic(), deadline, "it does not begin")
            time.sleep(0.01)
        return recorder

    def ends(self, recorder, status):
        """Its words, when it has written what it recorded and left nothing else."""
        errors = recorder.communicate(timeout=120)[1]
        self.assertEqual(recorder.returncode, status, errors)
        self.assertFalse(os.path.exists(f"{INSTANCES}/kma-{recorder.pid}"))
        self.assertEqual(self.files(), ["out.ktr"])
        ktr.facts(self.path("out.ktr"))
        return errors

    def records(self, *arguments, status=0, **options):
        """The facts of a recording of a command."""
        done = self.record("-o", "out.ktr", *arguments, **options)
        self.assertEqual(done.returncode, status, done.stderr)
        self.errors = done.stderr
        return ktr.facts(self.path("out.ktr"))

    def events(self, *columns):
        return list(ktr.events(self.path("out.ktr"), columns))


def opens(count):
    return [sys.executable, "-c",
            f"for _ in range({count}): open('/dev/null').close()"]


class Recording(LiveTest):
    def test_a_command_and_all_that_is_known_of_it(self):
        facts = self.records("--", *opens(OPENS))
        self.assertIn("no event was lost\n", self.errors)
        self.assertIn(f"{facts.events} events, {facts.slots} blocks", self.errors)
        self.assertIn(f"{os.path.getsize(self.path('out.ktr'))} bytes", self.errors)
        self.assertEqual(facts.lost, 0)
        about = facts.about
        self.assertEqual(about["columns"], "time,cpu,site,cache,spent")
        self.assertEqual(about["origin"], "kernel")
        self.assertEqual(about["command"], " ".join(opens(OPENS)))
        self.assertEqual(about["system"], f"Linux {os.uname().release}")
        self.assertEqual(about["machine"], os.uname().machine)
        self.assertRegex(about["recorded"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertEqual(about["page_size"], str(os.sysconf("SC_PAGESIZE")))
        self.assertIn(about["allocator"], ("slub", "slab"))
        self.assertEqual(about["word"], "8")

    def test_the_columns(self):
        self.records("--", *opens(OPENS))
        functions = {line.split()[2] for line in read("/proc/kallsyms").splitlines()}
        last, requests, sites = 0, collections.Counter(), collections.Counter()
        for size, _, when, cpu, site, cache, spent in self.events(*ktr.COLUMNS):
            self.assertGreaterEqual(when, last)
            self.assertLess(cpu, os.sysconf("SC_NPROCESSORS_CONF"))
            last = when
            if size:
                self.assertGreaterEqual(spent, size)
                requests[cache] += 1
                sites[site.split("+0x")[0]] += 1
        # Every open file is one block of this cache.
        self.assertGreaterEqual(requests["filp"], OPENS)
        self.assertNotIn(None, requests)
        kmalloc = [name for name in requests if re.fullmatch(r"kmalloc-\d+", name)]
        self.assertTrue(kmalloc, requests)
        named = {site for site in sites if not site.startswith("0x")}
        self.assertLessEqual(named, functions)
        self.assertGreater(sum(map(sites.get, named)), sum(sites.values()) // 2)

    def test_files_opened_and_closed_are_requested_and_freed(self):
        self.records("--", *opens(20 * OPENS))
        live, requests, frees = {}, 0, 0
        for size, slot, cache in self.events("cache"):
            if size:
                live[slot] = cache
                requests += cache == "filp"
            else:
                frees += live.pop(slot) == "filp"
        self.assertGreaterEqual(requests, 20 * OPENS)
        self.assertGreaterEqual(frees, requests // 2)

    def test_the_drivers_replay_it(self):
        self.records("--", *opens(OPENS))
        # A kernel requests more than a page, and keeps blocks: the drivers do neither.
        self.run_driver("capture/convert", "out.ktr", "-o", "in.ktr")
        for name in ("kma_bud", "kma_rm"):
            text = self.passes(name, "--no-output", "--max-pages", "100000", "in.ktr")
            self.assertIn("Test: PASS", text)

    def test_the_output_as_its_ending_says(self):
        done = self.record("-o", "out.trace", "--", "true")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertGreater(sum(1 for _ in ktr.events(self.path("out.trace"))), 0)
        with open(self.path("piped"), "wb") as file:
            done = self.record("-o", "-", "--seconds", "0.1", stdout=file)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(ktr.facts(self.path("piped")).compact)

    def test_seconds(self):
        self.records("--seconds", "0.2")
        self.assertNotIn("command", ktr.facts(self.path("out.ktr")).about)

    def test_two_at_once(self):
        first = self.start("--", "sleep", "1")
        done = self.record("-o", "/dev/null", "--", "true")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.ends(first, 0)

    def test_the_tracing_of_others_is_as_it_was(self):
        files = [f"{TRACEFS}/{name}" for name in
                 ("set_event", "tracing_on", "trace_clock", "events/kmem/enable")]
        before = [read(path) for path in files]
        done = self.record("-o", "out.ktr", "--", "cat", *files)
        self.assertEqual(done.stdout, "".join(before))
        self.assertEqual([read(path) for path in files], before)

    def test_tracefs_is_mounted_and_unmounted(self):
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c",
             'umount --all --types tracefs && "$0" kernel -o out.ktr -- true && '
             "grep -c ' tracefs ' /proc/self/mounts", program(RECORD)],
            cwd=self.folder, text=True, check=False, capture_output=True, timeout=120)
        self.assertEqual(done.stdout, "0\n", done.stderr)
        self.assertGreater(ktr.facts(self.path("out.ktr")).events, 0)

    def test_without_symbols_sites_are_addresses(self):
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", "mount --bind /dev/null /proc/kallsyms && "
             'exec "$0" kernel -o out.ktr -- true', program(RECORD)],
            cwd=self.folder, text=True, check=False, capture_output=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("call sites stay addresses", done.stderr)
        for size, _, site in self.events("site"):
            if size:
                self.assertRegex(site, r"^0x[0-9a-f]+$")

    def test_caches_are_learned_where_requests_do_not_name_them(self):
        """As on kernels before 6.1: only the free of a block tells its cache."""
        environment = self.tree()
        for name in EVENTS:
            text = read(f"{TRACEFS}/events/kmem/{name}/format")
            if name == "kmem_cache_alloc":
                text = re.sub(r".*__data_loc char\[\] name;.*\n", "", text)
            self.write(f"tracing/events/kmem/{name}/format", text)
        self.write("tracing/events/header_page", read(f"{TRACEFS}/events/header_page"))
        os.rmdir(self.path("tracing/instances"))
        os.symlink(INSTANCES, self.path("tracing/instances"))
        self.records("--", *opens(20 * OPENS), env=environment)
        caches = {}
        for size, _, site, cache in self.events("site", "cache"):
            if size:
                caches.setdefault(site, collections.Counter())[cache] += 1
        of_files = [found for found in caches.values() if found["filp"]]
        self.assertEqual(len(of_files), 1, caches)
        # The last block or so of a site has to come back first.
        self.assertGreater(of_files[0]["filp"], 10 * OPENS)
        self.assertLessEqual(set(of_files[0]), {"filp", None})


class Losses(LiveTest):
    def test_lost_events_are_counted_and_the_trace_says_so(self):
        facts = self.records("--buffer", "8", "--", *opens(200 * OPENS))
        self.assertGreater(facts.lost, 0)
        self.assertIn(f"  {facts.lost} events were lost, the buffer was full",
                      self.errors)
        self.assertNotIn("no event was lost", self.errors)

    def test_a_buffer_that_the_kernel_does_not_have(self):
        done = self.record("-o", "out.ktr", "--buffer", str(2**30), "--", "true")
        self.assertEqual(done.returncode, 2)
        self.assertIn("Cannot allocate memory", done.stderr.splitlines()[-1])
        self.assertEqual(self.files(), [])

    def test_an_output_that_is_full(self):
        recorder = subprocess.Popen(
            [program(RECORD), "kernel", "-o", "/dev/full", "--", "true"], text=True,
            cwd=self.folder, stderr=subprocess.PIPE)
        errors = recorder.communicate(timeout=120)[1]
        self.assertEqual(recorder.returncode, 2)
        self.assertIn("/dev/full: cannot be written", errors.splitlines()[-1])
        self.assertFalse(os.path.exists(f"{INSTANCES}/kma-{recorder.pid}"))

    def test_after_kill_9_the_next_recording_cleans_up(self):
        recorder = self.start()
        recorder.kill()
        recorder.wait()
        instance = f"{INSTANCES}/kma-{recorder.pid}"
        # Unless it is the next one already that somebody else has started.
        stayed = os.path.isdir(instance)
        self.records("--", "true")
        self.assertFalse(os.path.exists(instance))
        if stayed:
            # Under whichever of its mounts the recorder found it.
            self.assertRegex(self.errors, rf"removed /sys/kernel/\S*/kma-{recorder.pid}, "
                             "which a recorder left")

    def test_the_instance_of_a_recorder_that_runs_is_left_alone(self):
        recorder = self.start()
        done = self.record("-o", "/dev/null", "--", "true")
        self.assertNotIn(f"kma-{recorder.pid}", done.stderr)
        self.assertTrue(os.path.isdir(f"{INSTANCES}/kma-{recorder.pid}"))
        recorder.terminate()
        self.ends(recorder, 0)


class Endings(LiveTest):
    def test_the_status_is_the_commands(self):
        for script, status in (("exit 0", 0), ("exit 3", 3), ("kill -TERM $$", 143),
                               ("kill -KILL $$", 137)):
            with self.subTest(script=script):
                self.records("--", "sh", "-c", script, status=status)

    def test_a_command_that_cannot_be_started(self):
        self.write("text", "no program")
        for command, status, message in (
                ("no-such-command", 127, "no-such-command: command not found"),
                ("/no/such/command", 127, "/no/such/command: command not found"),
                ("./text", 126, "./text: Permission denied"),
                ("/", 126, "/: Permission denied")):
            with self.subTest(command=command):
                done = self.record("-o", "out.ktr", "--", command)
                self.assertEqual(done.returncode, status)
                self.assertTrue(done.stderr.endswith(f"{message}\n"), done.stderr)
                self.assertEqual(self.files(), ["text"])

    def test_a_signal_ends_a_recording_without_command(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            with self.subTest(number=number):
                recorder = self.start()
                recorder.send_signal(number)
                self.assertIn("no event was lost", self.ends(recorder, 0))

    def test_a_signal_is_passed_on_to_the_command(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number=number):
                recorder = self.start("--", "sleep", "100")
                recorder.send_signal(number)
                self.ends(recorder, 128 + number)

    def test_the_second_signal_ends_the_recording_alone(self):
        recorder = self.start(
            "--", "sh", "-c", "exec 2>&-; trap 'touch seen' TERM; touch ready; i=0; "
            "while [ ! -e enough ] && [ $i -lt 600 ]; do i=$((i+1)); sleep 0.1; done; "
            "touch done")
        self.until("ready")
        recorder.send_signal(signal.SIGTERM)
        self.until("seen")
        recorder.send_signal(signal.SIGTERM)
        errors = recorder.communicate(timeout=120)[1]
        self.assertEqual(recorder.returncode, 0, errors)
        self.assertRegex(errors, r"process \d+ goes on without being recorded\n")
        self.assertTrue(ktr.facts(self.path("out.ktr")).compact)
        self.assertNotIn("done", self.files())
        self.write("enough", "")
        self.until("done")

    def until(self, name):
        deadline = time.monotonic() + 60
        while name not in self.files():
            self.assertLess(time.monotonic(), deadline, name)
            time.sleep(0.02)

    def test_ctrl_c_at_a_terminal_is_for_the_command_to_answer(self):
        script = "trap 'exit 5' INT; touch ready; while :; do sleep 0.1; done"
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(self.folder)
            os.execv(program(RECORD), [program(RECORD), "kernel", "-o", "out.ktr", "--",
                                       "sh", "-c", script])
        self.addCleanup(os.close, terminal)
        self.until("ready")
        os.write(terminal, b"\x03")
        text = b""
        try:
            while piece := os.read(terminal, 4096):
                text += piece
        except OSError:
            pass  # the other side is closed
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 5, text)
        self.assertIn(b"no event was lost", text)
        self.assertFalse(os.path.exists(f"{INSTANCES}/kma-{pid}"))

    def test_the_command_has_the_signals_of_its_user(self):
        command = ["grep", "Sig[BI]", "/proc/self/status"]
        alone = subprocess.run(command, text=True, check=True,
                               stdout=subprocess.PIPE).stdout
        recorded = self.record("-o", "out.ktr", "--", *command).stdout

        def masks(text):
            # Above are the signals that the C library has for itself.
            return [int(line.split()[1], 16) & 0x7fffffff for line in text.splitlines()]
        self.assertEqual(masks(recorded), masks(alone))
        self.assertEqual(len(masks(alone)), 2)

    def test_the_command_has_the_files_of_its_user(self):
        command = ["ls", "/proc/self/fd"]
        alone = subprocess.run(command, text=True, check=True,
                               stdout=subprocess.PIPE).stdout
        self.assertEqual(self.record("-o", "out.ktr", "--", *command).stdout, alone)


if __name__ == "__main__":
    unittest.main()
