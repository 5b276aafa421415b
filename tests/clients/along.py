"""Each Prometheus scrapes from before the first result until the fleet stands still: what its past says.

No counter goes back, and each begins at 0: what increase() sees is all that was run. Each exemplar of the past leads to a
result.
"""

import tempfile
from pathlib import Path

import compare
import prometheus
from process import until
from samples import key
from truth import COMMAND_DURATIONS, COMMAND_RESULTS, DURATIONS, RESULTS

PAST = "30m"
COUNTERS = (RESULTS, COMMAND_RESULTS, f"{DURATIONS}_count", f"{COMMAND_DURATIONS}_count")


class Along:
    """One Prometheus on each exporter, in the way in which it takes most."""

    def __init__(self, exporters):
        self.running = []
        for path in prometheus.programs():
            version = prometheus.version_of(path)
            way = max(prometheus.ways(path, version), key=lambda way: (way.native, way.protobuf))
            for kind, exporter in exporters.items():
                directory = tempfile.TemporaryDirectory(prefix="along-")
                program, api = way.look.start(exporter.address, Path(directory.name))
                self.running.append((f"{version}, {kind}", program, api, directory))
        for _, program, api, _ in self.running:
            until("Prometheus has scraped the exporter", lambda p=program, a=api: prometheus.scraped(a, p))

    def problems(self, truth):
        """(which, samples that it has kept, problems) of each."""
        for name, program, api, _ in self.running:
            program.must_run()
            until("Prometheus has scraped the last count", lambda api=api: has_all(api, truth))
            samples, found = of_the_past(api, truth)
            yield name, samples, found

    def stop(self):
        for _, program, _, directory in self.running:
            program.stop()
            directory.cleanup()


def has_all(api, truth):
    now = prometheus.vector(api, f"sum({RESULTS}{prometheus.JOB})")
    return True if now and float(now[0]["value"][1]) == truth.total else None


def of_the_past(api, truth):
    past, found, kept = {}, [], 0
    for name in (*COUNTERS, DURATIONS, COMMAND_DURATIONS):
        for series in prometheus.vector(api, f"{name}{prometheus.JOB}[{PAST}]"):
            labels = {n: v for n, v in series["metric"].items() if n not in ("__name__", "job", "instance")}
            values = [float(value) for _, value in series.get("values", [])]
            values += [float(histogram["count"]) for _, histogram in series.get("histograms", [])]
            past[key(name, labels)] = values
            kept += len(values)
    for of, values in past.items():
        if any(later < earlier for earlier, later in zip(values, values[1:], strict=False)):
            found.append(f"{of} goes back: {values}")
        if values[0] != 0:
            found.append(f"{of} is first seen at {values[0]}, so that increase() loses as much")
        ran = truth.of_series[key_of_count(of)] if key_of_count(of) in truth.of_series else []
        if values[-1] != len(ran):
            found.append(f"{of} comes to {values[-1]}, and {len(ran)} were run")
    found += [f"{of} was not scraped" for of in truth.counts if of[0] == RESULTS and of not in past]
    found = compare.listed("past", found)
    return kept, found + compare.exemplars(prometheus.exemplars(api), truth, set())


def key_of_count(of):
    return of[0].removesuffix("_count"), of[1]
