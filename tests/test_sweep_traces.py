#!/usr/bin/python3
"""The traces of a sweep: what is known of them, how they are made once for many processes, and
what is left when a maker is killed, the disk is full or the folder is somebody else's."""

import hashlib
import json
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
import time
import unittest

from driver_case import BUILD, DriverTest
from shared import ROOT, write_script

ANALYSIS = os.path.join(ROOT, "analysis")
PYTHON = "/usr/bin/python3"

sys.dont_write_bytecode = True
sys.path.insert(0, ANALYSIS)
import ktr  # noqa: E402
import sweep_generators  # noqa: E402
import sweep_settings  # noqa: E402
import sweep_traces  # noqa: E402
import zstd_frames  # noqa: E402
from common import Refusal  # noqa: E402
from jobs import Hashes  # noqa: E402
from sweep_traces import Traces, from_file, from_json, generated  # noqa: E402

GENERATE = os.path.join(BUILD, "capture", "generate")

RANDOM = {"requests": 300, "sizes": "log", "smallest": 8, "largest": 4000, "frees": "early"}
STEADY = {"live": 20, "exchanges": 100, "sizes": "powers", "smallest": 16, "largest": 256}
SMALL = {
    "random-log-early-300-8-4000-s3": ("random", RANDOM, 3),
    "random-linear-uniform-300-8-4000-s3":
        ("random", dict(RANDOM, sizes="linear", frees="uniform"), 3),
    "steady-powers-20-100-16-256-s3": ("steady", STEADY, 3),
    "steady-log-20-100-16-256-s3": ("steady", dict(STEADY, sizes="log"), 3),
    "steady-linear-20-100-16-256-s0": ("steady", dict(STEADY, sizes="linear"), 0),
    "growth-70000-s3": ("growth", {"live": 70_000}, 3),
    "stream-2000-50-s3": ("stream", {"events": 2000, "live": 50}, 3),
}

# Version, and sha256 of the bytes; of the content of its frames where they are compressed.
PINNED = {
    "random-log-early-300-8-4000-s3":
        (1, "a3e52c545955872282371d9cecb01b3b9330cd94036cfbe58e4454aa91f14360"),
    "random-linear-uniform-300-8-4000-s3":
        (1, "87567c2e0342941051040ea1ae7b204a82327b290bb1e76129836f04ffeee875"),
    "steady-powers-20-100-16-256-s3":
        (1, "75a2a4f42f3a1883e0b821afef7835929a22cde9ef25d40dbf4111206b1c8a2e"),
    "steady-log-20-100-16-256-s3":
        (1, "bc7e1f0d473cbedf177957d3eecdcc4a93baf0b1e13db2171c54267f35dbb197"),
    "steady-linear-20-100-16-256-s0":
        (1, "2d49aadca8d9bfa769691e8615c4109bbc880e88e729399fd0ceb59b59702a12"),
    "growth-70000-s3":
        (1, "0102d2212a295f241efffc8ba895ccc75c32c4336df8685478f92553cf54c17b"),
    "stream-2000-50-s3":
        (1, "8bf9aef537ad02ae5de2cb7ceeb90fadbc65f34c4ef506979ffbd356ad7e1df4"),
}

# Long enough to be found half done.
LONG = ("steady", dict(STEADY, exchanges=2_000_000), 1)

ASK = """import json, sys
sys.path.insert(0, sys.argv[1])
import sweep_traces
folder, stage, generate, source = json.loads(sys.argv[2])
traces = sweep_traces.Traces(folder, stage, generate)
print(traces.path_of(sweep_traces.from_json(source)), flush=True)
sys.stdin.read()
"""


def small(name):
    return generated(*SMALL[name])


class Sources(unittest.TestCase):
    def test_names_tell_all_that_differs(self):
        for name, what in SMALL.items():
            source = generated(*what)
            self.assertEqual((source.name, source.seed), (name, what[2]))
            self.assertEqual(f"{source.family}-s{what[2]}", name)
            self.assertEqual(dict(source.settings), what[1])

    def test_the_order_of_the_settings_does_not_matter(self):
        backwards = dict(reversed(RANDOM.items()))
        self.assertEqual(generated("random", backwards, 3), generated("random", RANDOM, 3))

    def test_there_is_a_recipe_for_all_that_a_plan_may_ask_for(self):
        self.assertEqual(set(sweep_generators.GENERATORS), set(sweep_settings.GENERATORS))

    def test_json_and_back(self):
        file = from_file(os.path.join(ROOT, "testsuite", "1.trace"))
        for source in (file, *map(small, SMALL)):
            self.assertEqual(from_json(json.loads(json.dumps(source.to_json()))), source)

    def test_damaged_json_is_refused(self):
        good = small("steady-log-20-100-16-256-s3").to_json()
        settings = good["settings"]
        damaged = [dict(good, **change) for change in (
            {"seed": True}, {"seed": 3.0}, {"seed": -1}, {"seed": None}, {"generator": "steadx"},
            {"generator": []}, {"settings": [1]}, {"settings": {}}, {"path": 3}, {"more": 1},
            {"path": "t.trace"}, {"path": "/t.trace"},
            *({"settings": dict(settings, **change)} for change in (
                {"live": "20"}, {"live": 0}, {"sizes": "few"}, {"smallest": 300}, {"more": 1},
                {"sizes": "powers", "smallest": 20},
                {"live": 10**8, "exchanges": 10**9 - 1})))]
        for found in (None, [], "x", {}, {"path": ""}, {"path": "t.trace"}, *damaged):
            with self.subTest(found=found), self.assertRaises(Refusal) as caught:
                from_json(found)
            self.assertNotIn("\n", str(caught.exception))

    def test_a_file_that_is_not_there_is_refused(self):
        with self.assertRaisesRegex(Refusal, "^nosuch: no such trace$"):
            from_file("nosuch")


class TracesCase(DriverTest):
    def traces(self, stage=None, generate=GENERATE):
        traces = Traces(self.path("traces"), stage and self.path(stage), generate)
        self.addCleanup(traces.close)
        return traces

    def bytes_of(self, path):
        with open(path, "rb") as file:
            return file.read()

    def ask(self, source, stage=None, generate=GENERATE, **settings):
        """A process that prints where the trace is, and stays until its input ends."""
        told = [self.path("traces"), stage and self.path(stage), generate, source.to_json()]
        child = subprocess.Popen([PYTHON, "-B", "-c", ASK, ANALYSIS, json.dumps(told)], text=True,
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, **settings)
        self.addCleanup(lambda: (child.kill(), child.communicate()))
        return child

    def wait_for(self, holds):
        deadline = time.monotonic() + 60
        while not holds():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)

    def refused(self, words, function, *arguments):
        with self.assertRaises(Refusal) as caught:
            function(*arguments)
        self.assertIn(words, str(caught.exception))
        self.assertNotIn("\n", str(caught.exception))

    def all_files(self, folder="traces"):
        return sorted(os.listdir(self.path(folder)))


class Made(TracesCase):
    def test_the_bytes_of_each_generator_are_known(self):
        """Whoever changes the bytes of a generator's traces must raise its version, in
        sweep_generators.py or growth.py: results of older traces are then not taken for those
        of the new ones, and kept files are not replayed. Then change the sha256 here."""
        found = {}
        for name in SMALL:
            path = self.traces().path_of(small(name))
            compact = ktr.is_compact(path)
            data = (b"".join(content for _, content in zstd_frames.frames(path)) if compact else
                    self.bytes_of(path))
            version = sweep_generators.GENERATORS[SMALL[name][0]].version
            found[name] = (version, hashlib.sha256(data).hexdigest())
        self.assertEqual(found, PINNED)

    def test_facts_are_known_before_it_is_made(self):
        known = {name: sweep_traces.facts(small(name)) for name in SMALL}
        self.assertEqual(self.files(), [])
        for name, facts in known.items():
            with self.subTest(name=name):
                path = self.traces().path_of(small(name))
                live = most = events = 0
                for size, _ in ktr.events(path):
                    live, events = live + (1 if size else -1), events + 1
                    most = max(most, live)
                self.assertEqual((events, live), (facts.events, 0))
                self.assertLessEqual(most, facts.slots)
                if not name.startswith("random"):
                    self.assertEqual(most, facts.slots)
                self.assertFalse(facts.recorded)
                self.assertEqual(facts.compact, ktr.is_compact(path))

    def test_random_is_what_generate_trace_makes(self):
        tool = os.path.join(ROOT, "testsuite", "generate_trace")
        subprocess.run([tool, "300", "log", "8", "4001", "early", self.path("t"), "--no-plot",
                        "--seed", "3"], check=True, capture_output=True)
        path = self.traces().path_of(small("random-log-early-300-8-4000-s3"))
        self.assertEqual(self.bytes_of(path), self.bytes_of(self.path("t")))

    def test_the_driver_takes_them(self):
        for name in SMALL:
            self.passes("kma_bud", "--no-output", self.traces().path_of(small(name)))

    def test_again_it_is_the_same_file_and_its_sha256_is_not_computed_again(self):
        source = small("steady-log-20-100-16-256-s3")
        path = self.traces().path_of(source)
        digest = hashlib.sha256(self.bytes_of(path)).hexdigest()
        before = os.stat(path)
        self.assertEqual(self.traces().path_of(source, digest), path)
        self.assertEqual(os.stat(path).st_mtime_ns, before.st_mtime_ns)
        with open(path, "r+b") as file:
            file.write(b"9")  # of the same length: only one who reads it would know
        self.assertEqual(self.traces().sha256_of(source), digest)
        self.assertEqual(self.all_files(), [os.path.basename(path + end)
                                            for end in ("", ".sha256")])

    def test_one_that_lost_its_end_is_made_anew(self):
        source = small("steady-log-20-100-16-256-s3")
        path = self.traces().path_of(source)
        whole = self.bytes_of(path)
        for damage in (lambda: os.truncate(path, 100), lambda: os.truncate(path + ".sha256", 0),
                       lambda: os.unlink(path + ".sha256")):
            damage()
            self.traces().path_of(source)
            self.assertEqual(self.bytes_of(path), whole)

    def test_other_bytes_than_expected_are_refused(self):
        source = small("steady-log-20-100-16-256-s3")
        self.refused("other bytes than when the sweep was planned", self.traces().path_of,
                     source, "0" * 64)
        self.refused("is no sha256", self.traces().path_of, source, "../../x")

    def test_without_the_tool_there_is_no_stream(self):
        stream = small("stream-2000-50-s3")
        for generate, why in ((None, "capture/generate is not built: make capture"),
                              (self.path("no"), "no is not built: make capture")):
            self.refused(why, self.traces(generate=generate).path_of, stream)
        write_script(self.path("fails"), "#!/bin/sh\necho half\necho it broke >&2\nexit 2\n")
        self.refused("it broke", self.traces(generate=self.path("fails")).path_of, stream)
        write_script(self.path("fails"), "#!/bin/sh\nkill -9 $$\n")
        self.refused("exit status -9", self.traces(generate=self.path("fails")).path_of, stream)
        self.assertEqual(self.all_files(), [])

    def test_identity_differs_when_the_bytes_do(self):
        hashes = Hashes()
        sources = [*map(small, SMALL), generated("random", RANDOM, 4)]
        told = {sweep_traces.identity(source, hashes) for source in sources}
        self.assertEqual(len(told), len(sources))
        self.write("t.trace", "0\n")
        file = from_file(self.path("t.trace"))
        self.assertEqual(sweep_traces.identity(file, hashes), hashlib.sha256(b"0\n").hexdigest())
        os.unlink(file.path)
        self.refused("no such trace", sweep_traces.identity, file, Hashes())


class ManyProcesses(TracesCase):
    def slow_tool(self):
        """Notes that it was called, and takes its time."""
        write_script(self.path("slow"), f"#!/bin/sh\necho called >>{self.path('calls')}\n"
                     f"sleep 0.5\nexec {GENERATE} \"$@\"\n")
        return self.path("slow")

    def test_one_makes_it_and_all_get_it(self):
        source, tool = small("stream-2000-50-s3"), self.slow_tool()
        children = [self.ask(source, generate=tool) for _ in range(6)]
        paths = {child.communicate(timeout=60)[0].strip() for child in children}
        self.assertEqual([child.returncode for child in children], [0] * 6)
        self.assertEqual(self.read("calls"), "called\n")
        path, = paths
        self.assertEqual(ktr.facts(path).events, 2000)
        self.assertEqual(self.all_files(), [os.path.basename(path + end)
                                            for end in ("", ".sha256")])

    def test_different_traces_are_made_at_the_same_time(self):
        tool = self.slow_tool()
        children = [self.ask(generated("stream", {"events": 20, "live": 5}, seed), generate=tool)
                    for seed in (1, 2, 3)]
        self.assertEqual(len({child.communicate(timeout=60)[0] for child in children}), 3)
        self.assertEqual(self.read("calls"), "called\n" * 3)

    def test_after_a_killed_maker_it_is_made_anew(self):
        source = generated(*LONG)
        for stage in (None, "stage"):
            with self.subTest(stage=stage):
                folder = stage or "traces"
                child = self.ask(source, stage=stage)
                name = f"{source.name}-v1.trace"
                making = self.path(os.path.join(folder, name + ".making"))
                self.wait_for(lambda: os.path.isdir(making) and any(
                    os.path.getsize(os.path.join(making, part)) for part in os.listdir(making)))
                child.kill()
                self.assertEqual(child.wait(), -signal.SIGKILL)
                self.assertNotIn(name, self.all_files(folder))
                self.assertTrue(os.listdir(making), "it was killed too late to tell anything")
                path = self.traces(stage).path_of(source)
                self.assertEqual(ktr.facts(path).events, 2 * 2_000_020)
                with open(path, "rb") as file:
                    self.assertEqual(sum(1 for _ in file), 1 + 2 * 2_000_020)
                self.assertEqual([left for left in self.all_files(folder) if left != "in-use"],
                                 [name, name + ".sha256"])

    def test_those_who_wait_for_a_killed_maker_go_on(self):
        source, tool = small("stream-2000-50-s3"), self.path("tool")
        write_script(tool, f"#!/bin/sh\nif mkdir {self.path('first')} 2>/dev/null; then\n"
                     f"echo $$ >{self.path('pid')}; exec yes; fi\nexec {GENERATE} \"$@\"\n")
        killed = self.ask(source, generate=tool)
        self.wait_for(lambda: os.path.exists(self.path("pid")) and self.read("pid"))
        others = [self.ask(source, generate=tool) for _ in range(3)]
        time.sleep(0.3)
        self.assertEqual([child.poll() for child in others], [None] * 3)
        killed.kill()
        for child in others:
            out, _ = child.communicate(timeout=60)
            self.assertEqual(ktr.facts(out.strip()).events, 2000)
        # What the killed one had started has ended, too.
        self.wait_for(lambda: not os.path.exists(f"/proc/{self.read('pid').strip()}"))

    def test_a_full_disk_is_named_and_nothing_is_left(self):
        limit = 100_000
        for source in (generated(*LONG), generated("random", dict(RANDOM, requests=9000), 1),
                       generated("growth", {"live": 5000}, 1),
                       generated("stream", {"events": 200_000, "live": 50}, 1)):
            with self.subTest(name=source.name):
                child = self.ask(source, preexec_fn=lambda: resource.setrlimit(
                    resource.RLIMIT_FSIZE, (limit, limit)))
                _, complaints = child.communicate(timeout=60)
                self.assertRegex(complaints.splitlines()[-1],
                                 rf"^OSError: \[Errno 27\] File too large: '.*{source.name}.*'$")
                self.assertEqual(self.all_files(), [])


class Files(TracesCase):
    def setUp(self):
        super().setUp()
        self.write("t.trace", "2\nREQUEST 0 8\nFREE 0\n")
        self.source = from_file(self.path("t.trace"))
        self.digest = hashlib.sha256(self.bytes_of(self.source.path)).hexdigest()

    def test_facts_of_text_and_of_a_compact_trace(self):
        self.assertEqual(self.source.name, "t.trace")
        self.assertEqual(self.source.family, "t.trace")
        facts = sweep_traces.facts(self.source)
        self.assertEqual((facts.compact, facts.events), (False, 2))
        shutil.copy(self.traces().path_of(small("stream-2000-50-s3")), self.path("one.ktr"))
        source = from_file(self.path("one.ktr"))
        facts = sweep_traces.facts(source)
        self.assertEqual((source.name, facts.events, facts.slots), ("one", 2000, 50))
        self.write("one.ktr", self.bytes_of(source.path)[:100])
        self.refused("one.ktr", sweep_traces.facts, source)

    def test_without_a_stage_a_file_is_replayed_where_it_is(self):
        traces = self.traces()
        for expected in (None, self.digest):
            self.assertEqual(traces.path_of(self.source, expected), self.source.path)
        self.assertEqual(traces.sha256_of(self.source), self.digest)
        self.assertEqual(self.files(), ["t.trace"])

    def test_a_file_that_has_changed_is_refused(self):
        for stage in (None, "stage"):
            traces = self.traces(stage)
            for text in ("2\nREQUEST 0 9\nFREE 0\n", "0\n"):
                self.write("t.trace", text)
                self.refused("t.trace: changed since the sweep was planned", traces.path_of,
                             self.source, self.digest)
            os.unlink(self.source.path)
            self.refused("no such trace", traces.path_of, self.source, self.digest)
            self.refused("no such trace", traces.path_of, self.source)
        self.assertEqual(self.all_files("stage"), ["in-use"])

    def test_a_copy_is_named_by_its_bytes(self):
        path = self.traces("stage").path_of(self.source)
        self.assertEqual(path, self.path(f"stage/{self.digest}.trace"))
        self.assertEqual(self.bytes_of(path), self.bytes_of(self.source.path))
        self.assertEqual(self.traces("stage").sha256_of(self.source), self.digest)
        # What was planned is there, whatever became of the file.
        os.unlink(self.source.path)
        self.assertEqual(self.traces("stage").path_of(self.source, self.digest), path)

    def test_a_damaged_copy_is_made_anew(self):
        path = self.traces("stage").path_of(self.source)
        for damage in (b"2\nREQUEST 0 9\nFREE 0\n", b""):
            with open(path, "wb") as file:
                file.write(damage)
            self.traces("stage").path_of(self.source, self.digest)
            self.assertEqual(self.bytes_of(path), self.bytes_of(self.source.path))

    def test_many_processes_copy_it(self):
        self.write("t.trace", "0\n" + " " * 20_000_000)
        digest = hashlib.sha256(self.bytes_of(self.source.path)).hexdigest()
        children = [self.ask(self.source, stage="stage") for _ in range(4)]
        told = {child.stdout.readline().strip() for child in children}
        self.assertEqual(told, {self.path(f"stage/{digest}.trace")})
        self.assertEqual(self.all_files("stage"), [f"{digest}.trace", "in-use"])


class StageFolder(TracesCase):
    SOURCE = small("steady-log-20-100-16-256-s3")

    def test_it_is_the_users_alone(self):
        path = self.traces("stage").path_of(self.SOURCE)
        self.assertEqual(os.path.dirname(path), self.path("stage"))
        self.assertEqual(stat.S_IMODE(os.stat(self.path("stage")).st_mode), 0o700)
        self.assertFalse(os.path.exists(self.path("traces")))

    def test_nothing_is_made_before_a_trace_is_wanted(self):
        self.traces("stage").remove()
        self.assertEqual(self.files(), [])

    def test_a_link_is_refused(self):
        os.mkdir(self.path("elsewhere"), 0o700)
        os.symlink("elsewhere", self.path("link"))
        os.symlink("nowhere", self.path("dangling"))
        for name in ("link", "link/", "link/.", "dangling"):
            self.refused("a symbolic link", self.traces(name).path_of, self.SOURCE)
            self.refused("a symbolic link", self.traces(name).remove)
        self.assertEqual(self.all_files("elsewhere"), [])
        self.assertEqual(self.files(), ["dangling", "elsewhere", "link"])

    def test_what_others_can_write_to_is_refused(self):
        for mode in (0o777, 0o1777, 0o770):
            os.mkdir(self.path("shared"))
            os.chmod(self.path("shared"), mode)
            self.refused("other users may write to", self.traces("shared").path_of, self.SOURCE)
            self.assertEqual(self.all_files("shared"), [])
            os.rmdir(self.path("shared"))

    @unittest.skipIf(os.geteuid() != 0, "only root can give a folder away")
    def test_another_users_folder_is_refused(self):
        os.mkdir(self.path("theirs"), 0o700)
        os.chown(self.path("theirs"), 65534, 65534)
        self.refused("theirs: another user's folder", self.traces("theirs").path_of, self.SOURCE)
        self.assertEqual(self.all_files("theirs"), [])

    def test_what_is_no_folder_and_a_folder_in_none_are_refused(self):
        self.write("file", "mine")
        self.refused("not a folder", self.traces("file").path_of, self.SOURCE)
        with self.assertRaises(FileNotFoundError) as caught:
            self.traces("no/stage").path_of(self.SOURCE)
        self.assertEqual(caught.exception.filename, self.path("no/stage"))

    def test_it_is_removed_with_all_that_was_put_there(self):
        self.write("t.ktr", "0\n")
        traces = self.traces("stage")
        for source in (self.SOURCE, small("stream-2000-50-s3"), from_file(self.path("t.ktr"))):
            traces.path_of(source)
        killed = self.path(f"stage/{self.SOURCE.name}-v1.trace")
        os.mkdir(killed + ".making")
        for left in (killed + ".lock", killed + ".making/half"):
            with open(left, "w", encoding="ascii"):
                pass
        traces.remove()
        self.assertEqual(self.files(), ["t.ktr"])
        self.assertTrue(os.path.exists(traces.path_of(self.SOURCE)))

    def test_the_users_own_files_stay(self):
        os.mkdir(self.path("stage"), 0o755)
        mine = ["a.trace", "growth-1.trace", "notes.sha256", "x.making"]
        for name in mine:
            self.write(f"stage/{name}", "mine")
        traces = self.traces("stage")
        traces.path_of(self.SOURCE)
        self.assertEqual(len(self.all_files("stage")), len(mine) + 3)
        traces.remove()
        self.assertEqual(self.all_files("stage"), mine)

    def test_made_traces_that_are_not_staged_are_kept(self):
        traces = self.traces()
        path = traces.path_of(self.SOURCE)
        traces.remove()
        self.assertTrue(os.path.exists(path))

    def test_the_last_process_that_uses_it_removes_it(self):
        other = self.ask(self.SOURCE, stage="stage")
        path = other.stdout.readline().strip()
        traces = self.traces("stage")
        self.assertEqual(traces.path_of(self.SOURCE), path)
        traces.remove()
        self.assertTrue(os.path.exists(path), "the other process still replays it")
        other.kill()
        other.wait()
        self.traces("stage").remove()
        self.assertEqual(self.files(), [])

    def test_many_that_come_and_go(self):
        program = ASK.replace("sys.stdin.read()", "") + """
import os
for _ in range(150):
    path = traces.path_of(sweep_traces.from_json(source))
    with open(path) as file:
        assert len(file.readlines()) == 241
    traces.remove()
"""
        told = [self.path("traces"), self.path("stage"), None, self.SOURCE.to_json()]
        children = [subprocess.Popen([PYTHON, "-B", "-c", program, ANALYSIS, json.dumps(told)],
                                     stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
                    for _ in range(3)]
        for child in children:
            self.assertEqual((child.communicate(timeout=60)[1], child.returncode), ("", 0))
        self.traces("stage").remove()
        self.assertEqual(self.files(), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
