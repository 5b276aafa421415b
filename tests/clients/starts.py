"""When counters and histograms say that they began, by a decoder that is not ours: over a restart, a kill -9, a record of
an older format, a year, and series that are born late.

None moves, none lies after its series' first increment, none is the process's start; what the process alone counts began
with it.
"""

import gzip
import os
import shutil
import signal
import tempfile
import time
from pathlib import Path

import compare
import decoder
from fleet import ROOT, Exporter, Simulator, configuration
from parsers import ACCEPT
from process import until
from samples import key
from truth import (
    COMMAND_DURATIONS,
    COMMAND_RESULTS,
    DELIVERIES,
    DROPPED,
    DURATIONS,
    RESULTS,
)

ACCOUNT, REGION = "production", "cn-hangzhou"
PLACE = {"account": ACCOUNT, "region": REGION}
LABELS = {"account": ACCOUNT, "region_id": REGION}
LAST_SUCCESS = key("cloud_assistant_last_success_timestamp_seconds", LABELS)
POLLS = key("cloud_assistant_exporter_polls_total", LABELS)
# What is saved with the record; every other counter is the process's own.
OF_RECORD = {
    RESULTS,
    DURATIONS,
    COMMAND_RESULTS,
    COMMAND_DURATIONS,
    DROPPED,
    DELIVERIES,
    "cloud_assistant_lost_results_total",
}
OF_RECORD |= {f"cloud_assistant_exporter_{of}_total" for of in ("late_results", "old_results", "reclassified_results")}
OF_RECORD |= {"cloud_assistant_exporter_label_overflow_total"}
# When that record was last saved.
RECORDED_AT = 1_800_000_000
OLD_RECORD = ROOT / "tests" / "data" / "state" / "version-1-everything.redb.gz"
FAKETIME = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
]
YEAR = 365 * 86_400
# The first look comes so long after the process began that nobody takes one for the other.
APART = 3


class Watch:
    """Remembers each series' start, and what else was seen before its first increment."""

    def __init__(self):
        self.starts, self.counted, self.processes, self.problems = {}, set(), [], []
        # Series of a record that is older than start timestamps.
        self.without = set()
        self.last_success = None
        # By how much the clock of the exporter is ahead.
        self.ahead = 0

    def look(self, exporter):
        body, content_type = exporter.scrape(ACCEPT["protobuf"])
        assert content_type.startswith("application/vnd.google.protobuf"), content_type
        seen, now = decoder.decoded(body), time.time() + self.ahead
        self.problems += seen.problems
        process = seen.samples["process_start_time_seconds", ()]
        if process not in self.processes:
            self.processes.append(process)
        for (name, labels), value in counters(seen).items():
            start = seen.starts.get((name, labels))
            if name in OF_RECORD:
                self.of_record((name, labels), value, start, now)
            elif start is None or abs(start - process) > 1:
                self.wrong(name, labels, f"began at {start}, and the process at {process}")
        self.last_success = seen.samples.get(LAST_SUCCESS)
        return seen

    def of_record(self, of, value, start, now):
        if of in self.without or start is None:
            if start is not None or of not in self.without:
                self.wrong(*of, f"has start {start}")
            return
        known = self.starts.setdefault(of, start)
        if start != known:
            self.wrong(*of, f"its start has moved from {known} to {start}")
        if any(abs(start - process) < 1 for process in self.processes):
            self.wrong(*of, f"its start is the process's: {start}")
        if value > 0 and of not in self.counted:
            self.counted.add(of)
            # Of all that was shown before, it was shown at 0 or not at all.
            if self.last_success is not None and start > self.last_success:
                self.wrong(*of, f"has counted since a poll that ended after {self.last_success}, and began at {start}")
            if start >= now:
                self.wrong(*of, f"began at {start}, which is to come")

    def wrong(self, name, labels, what):
        self.problems.append(f"{name} {dict(labels)} {what}")

    def until(self, exporter, what, holds):
        return until(what, lambda: (lambda seen: seen if holds(seen) else None)(self.look(exporter)), pause=0.1)

    def polled(self, exporter):
        """Two more polls have ended: the second began after this call."""
        before = self.look(exporter).samples.get(POLLS, 0)
        return self.until(exporter, "two more polls", lambda seen: seen.samples.get(POLLS, 0) >= before + 2)


def counters(seen):
    """Each counter by its series, and each histogram by its count."""
    found = {
        of: value for of, value in seen.samples.items() if seen.types.get(of[0].removesuffix("_total")) == "counter"
    }
    for name, kind in seen.types.items():
        if kind == "histogram":
            counts = ((labels, value) for (of, labels), value in seen.samples.items() if of == f"{name}_count")
            found |= {(name, labels): value for labels, value in counts}
    return found


class Scene:
    """A scope of a cloud, and an exporter on a record that outlives it."""

    def __init__(self, directory, metrics="new_series_hold: 1s, ", environment=None):
        self.directory, self.metrics, self.environment = directory, metrics, environment
        self.simulator = self.exporter = None

    def cloud(self, environment=None):
        self.simulator = Simulator("empty", environment=environment)
        self.simulator.read_accounts(1)
        self.simulator.accounts = {a: (key, secret, REGION) for a, (key, secret, _) in self.simulator.accounts.items()}
        self.settle(2)
        self.simulator.post("baseline")

    def start(self, environment=None):
        state = self.directory / "state"
        config = configuration(self.simulator, "1s", self.metrics, state)
        self.exporter = Exporter(self.directory, config, environment=environment)

    def first_look(self, watch, environment=None):
        """It does not succeed before the process has been there for a while, and a poll has failed."""
        self.simulator.post("fault", kind="Html502", times="forever")
        self.start(environment)
        failed = "cloud_assistant_exporter_poll_failures_total"
        watch.until(
            self.exporter,
            "a poll has failed",
            lambda seen: any(seen.samples[o] for o in seen.samples if o[0] == failed),
        )
        until("the process is not new", lambda: time.time() - self.exporter.began > APART or None)
        self.simulator.post("clear-faults")
        watch.until(self.exporter, "the first look", lambda seen: any(name == RESULTS for name, _ in seen.samples))

    def settle(self, count, status="Success", **more):
        ran = self.simulator.post("run", command="heartbeat", instances=count, **PLACE)
        self.simulator.post("settle", invoke_id=ran["invoke_id"], status=status, **PLACE, **more)

    def counted(self, watch, count, status="Success", **more):
        """So many more of the kind are shown."""
        code = {"Success": ("", "0"), "Failed": ("ExitCodeNonzero", str(more.get("exit_code", "1")))}[status]
        of = key(RESULTS, LABELS | {"invocation_status": status, "error_code": code[0], "exit_code": code[1]})
        before = watch.look(self.exporter).samples.get(of, 0)
        self.settle(count, status, **more)
        # More where what settled before the process began is only now counted.
        watch.until(self.exporter, f"{of} is {before + count}", lambda seen: seen.samples.get(of, 0) >= before + count)

    def stop(self):
        if self.exporter:
            self.exporter.program.stop()
        if self.simulator:
            self.simulator.stop()


def over_restarts(scene, watch):
    """a restart, a kill -9, series born late and while the exporter is down"""
    scene.cloud()
    scene.first_look(watch)
    scene.counted(watch, 3)
    scene.counted(watch, 2, "Failed", exit_code=77)
    scene.exporter.program.stop()
    scene.start()
    scene.exporter.ready()
    watch.polled(scene.exporter)
    scene.counted(watch, 1)
    scene.counted(watch, 1, "Failed", exit_code=78)
    scene.exporter.program.process.send_signal(signal.SIGKILL)
    scene.exporter.program.process.wait()
    down = time.time()
    until("it has been down for a while", lambda: time.time() - down > APART or None)
    scene.settle(4, "Failed", exit_code=79)
    scene.start()
    scene.exporter.ready()
    while_down = key(
        RESULTS, LABELS | {"invocation_status": "Failed", "error_code": "ExitCodeNonzero", "exit_code": "79"}
    )
    watch.until(scene.exporter, "what settled meanwhile", lambda seen: seen.samples.get(while_down) == 4)
    if watch.starts.get(while_down, down) > down:
        watch.problems.append(
            f"{while_down} was born while the exporter was down, and began at {watch.starts[while_down]}"
        )
    scene.counted(watch, 1, "Failed", exit_code=77)


def clock(scene, seconds):
    """The environment of programs that take the time to be so many seconds later; and where that is changed."""
    offset = scene.directory / "offset"
    offset.write_text(f"{seconds:+}\n")
    library = next(path for path in FAKETIME if Path(path).exists())
    environment = os.environ | {"LD_PRELOAD": library, "FAKETIME_TIMESTAMP_FILE": str(offset), "FAKETIME_NO_CACHE": "1"}
    return environment | {"FAKETIME_DONT_FAKE_MONOTONIC": "1"}, offset


def old_record(scene, watch):
    """a record of format version 1, of a year ago: no start is made up, what is born now has one"""
    state = scene.directory / "state"
    state.mkdir()
    with gzip.open(OLD_RECORD) as old, (state / "record.redb").open("wb") as record:
        shutil.copyfileobj(old, record)
    before = Watch()
    before.ahead = watch.ahead = int(RECORDED_AT + YEAR - time.time())
    now, _ = clock(scene, watch.ahead)
    scene.cloud(now)
    scene.first_look(before, now)
    first = decoder.decoded(scene.exporter.scrape(ACCEPT["protobuf"])[0])
    # The commands that this configuration selects are new to the record.
    watch.without = {of for of in counters(first) if of[0] in OF_RECORD and "command" not in dict(of[1])}
    if not any(value for of, value in counters(first).items() if of[0] == RESULTS):
        watch.problems.append("the old record shows no result")
    watch.polled(scene.exporter)
    scene.counted(watch, 2)
    scene.counted(watch, 2, "Failed", exit_code=77)
    scene.exporter.program.stop()
    scene.start(now)
    scene.exporter.ready()
    watch.polled(scene.exporter)


def year_old_record(scene, watch):
    """a record with starts that has lain for a year, in a new process"""
    # The simulator and the exporter live a year ago, until the year is over.
    ago, offset = clock(scene, -YEAR)
    watch.ahead = -YEAR
    scene.cloud(ago)
    scene.first_look(watch, ago)
    scene.counted(watch, 3)
    scene.counted(watch, 2, "Failed", exit_code=77)
    scene.exporter.program.stop()
    if not all(start < time.time() - YEAR + 3_600 for start in watch.starts.values()):
        watch.problems.append("a start is not of a year ago")
    offset.write_text("+0\n")
    watch.ahead = 0
    scene.start()
    scene.exporter.ready()
    watch.polled(scene.exporter)
    before = time.time()
    scene.counted(watch, 1)
    scene.counted(watch, 1, "Failed", exit_code=78)
    if watch.starts and before - max(watch.starts.values()) > 3_600:
        watch.problems.append("nothing began today")


SCENES = [
    ("restart, kill -9, born late", over_restarts, "new_series_hold: 1s, "),
    ("the same without a hold", over_restarts, "new_series_hold: 0s, "),
    ("an old format", old_record, "new_series_hold: 1s, "),
    ("a year old", year_old_record, "new_series_hold: 1s, "),
]


def run():
    """(name, series with a start, processes, problems) of each scene."""
    for name, play, metrics in SCENES:
        with tempfile.TemporaryDirectory(prefix="starts-") as directory:
            scene, watch = Scene(Path(directory), metrics), Watch()
            try:
                play(scene, watch)
                if not watch.starts:
                    watch.problems.append("no series has a start")
            except Exception as problem:  # a scene that fails must not hide the others
                watch.problems.append(f"{type(problem).__name__}: {problem}")
            finally:
                scene.stop()
        yield (
            name,
            len(watch.starts),
            len(watch.processes),
            compare.listed("start", list(dict.fromkeys(watch.problems))),
        )
