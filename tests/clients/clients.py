"""Real clients scrape the demo's fleet, each in every way that it has; then what each has must be what was really run.

Usage: clients.py [NAME...]     only clients whose name begins so; `starts`: when counters and histograms began

A client that is not on this machine is named. Another joins by an entry in CLIENTS: `found` says each version that there
is, with its ways; a way looks at an address, and returns what the client has (samples.Seen).
"""

import contextlib
import dataclasses
import sys
import tempfile
import traceback
from pathlib import Path

import collector
import compare
import datadog
import decoder
import go_client
import parsers
import prometheus
import proofs
import starts
import victoria_metrics
from along import Along
from fleet import Fleet
from proxy import Proxy

# (name, what finds it, how one makes it found)
CLIENTS = [
    ("prometheus", prometheus.found, "Debian's package prometheus, or paths in PROMETHEUS"),
    ("promtool", prometheus.promtool_found, "beside each Prometheus"),
    ("victoria-metrics", victoria_metrics.found, "Debian's package victoria-metrics, or paths in VICTORIA_METRICS"),
    ("otelcol", collector.found, "otelcol or otelcol-contrib on PATH, or paths in OTELCOL"),
    ("datadog", datadog.found, "datadog-checks-base of PyPI"),
    ("prom2json", go_client.found, "Debian's packages golang-go and golang-github-prometheus-prom2json-dev"),
    ("prometheus_client", parsers.found, "prometheus-client of PyPI"),
    ("protobuf", decoder.found, "the schema in Debian's golang-github-prometheus-client-model-dev, or METRICS_PROTO"),
]
# What the configuration of each exporter says of metrics.
HOLD = "new_series_hold: 5s, "
KINDS = {"classic": HOLD, "native": HOLD + "native_histograms: true, "}
HEADER = [
    "client",
    "way",
    "content type",
    "series",
    "sums",
    "types, help",
    "exemplars",
    "quantiles",
    "native",
    "cannot",
]


@dataclasses.dataclass
class Row:
    client: str
    cells: list
    problems: list


def looked(fleet, kind, client, way):
    """A row of the table: one client, in one way, at one exporter."""
    exporter = fleet.exporters[kind]
    name = way.name if kind == "classic" else f"{way.name}; native_histograms: true"
    reference = parsers.look("text")(exporter.address, None)
    with Proxy(exporter.address, way.accept) as proxy, tempfile.TemporaryDirectory() as directory:
        try:
            seen = way.look(proxy.address, Path(directory))
        except Exception as problem:  # a client that fails must not hide the others
            traceback.print_exc()
            return Row(client, [name] + [""] * (len(HEADER) - 2), [f"{type(problem).__name__}: {problem}"])
        served = proxy.exchanges[-1].content_type if proxy.exchanges else ""
    # What polls have changed meanwhile.
    after = parsers.look("text")(exporter.address, None).samples
    reference.moved = {of for of, value in reference.samples.items() if after.get(of) != value}
    wanted = offered(served, kind, way)
    found = compare.problems(seen, reference, fleet.truth, wanted)
    if way.protobuf and not served.startswith("application/vnd.google.protobuf"):
        found.append(f"it asks for protobuf, and is answered with {served}")
    if client.startswith("protobuf"):
        made, missed = proofs.not_found(seen, reference, fleet.truth, wanted)
        found += [f"what is wrong is not found: {what}" for what in missed]
        print(f"{made} changes to what it has are found to be wrong", flush=True)
    return Row(client, cells(seen, name, served, found), found)


def offered(served, kind, way):
    """What this exporter offers in the format that it was asked for."""
    has = {"exemplars"} if "text/plain" not in served else set()
    # A server that takes native histograms leaves the buckets, and their exemplars.
    has |= {"buckets"} if kind == "classic" else set()
    return has | ({"native"} if kind == "native" and way.native else set())


def cells(seen, way, served, found):
    def says(value, *prefixes):
        if value is None:
            return "–"
        return "wrong" if any(problem.startswith(prefixes) for problem in found) else "equal"

    content = served.split(";")[0] + "".join(f";{part}" for part in served.split(";")[1:] if "version" in part)
    if seen.samples is None:
        return [way, content, "–", "–", "–", "–", "–", "–", "; ".join(seen.cannot)]
    known = [name for name, of in (("types", seen.types), ("help", seen.helps)) if of is not None]
    metadata = f"{', '.join(known)} {says(True, 'type', 'help')}" if known else "–"
    exemplars = "–" if seen.exemplars is None else f"{len(seen.exemplars)} {says(True, 'exemplar')}"
    native = f"{len(seen.native)}, quantiles {says(seen.native_quantiles, 'native')}" if seen.native else "–"
    sums = says(True, "sum", "lacking", "extra", "value")
    quantiles = says(seen.quantiles, "quantile")
    return [way, content, str(seen.series()), sums, metadata, exemplars, quantiles, native, "; ".join(seen.cannot)]


def table(rows):
    lines = [HEADER, ["---"] * len(HEADER), *([row.client, *row.cells] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def scraped(clients, found):
    """The rows of all clients that were found, and what each Prometheus that was there all along has kept."""
    rows, kept, watching = [], [], []
    with contextlib.ExitStack() as ending:

        def before(fleet):
            if found.get("prometheus"):
                watching.append(Along(fleet.exporters))
                ending.callback(watching[0].stop)

        fleet = ending.enter_context(Fleet(KINDS, before))
        print(f"{fleet.truth.total} results have settled; the fleet stands still", flush=True)
        for along in watching:
            for which, samples, problems in along.problems(fleet.truth):
                say(problems, f"prometheus {which}: scraped all along: {samples} samples of what is counted")
                kept.append(problems)
        for name, *_ in clients:
            for version, ways in found[name]:
                for kind, way in ((kind, way) for way in ways for kind in KINDS):
                    if kind == "classic" or way.protobuf:
                        row = looked(fleet, kind, f"{name} {version}", way)
                        say(row.problems, f"{row.client}: {row.cells[0]}")
                        rows.append(row)
    return rows, kept


def say(problems, what):
    print(f"{'FAILED' if problems else 'ok':8}{what}", flush=True)
    for problem in problems:
        print(f"        {problem}", flush=True)


def main():
    names = sys.argv[1:]
    clients = [client for client in CLIENTS if not names or client[0].startswith(tuple(names))]
    found = {name: list(find()) for name, find, _ in clients}
    missing = [f"{name}: not found ({how})" for name, _, how in clients if not found[name]]
    rows, kept = scraped(clients, found) if any(found.values()) else ([], [])
    began = list(starts.run()) if decoder.schema() and (not names or "starts" in names) else []
    for name, series, processes, problems in began:
        say(problems, f"start timestamps: {name}: {series} series, {processes} processes")
    print(f"\n{table(rows)}\n")
    for line in missing:
        print(line)
    results = kept + [row.problems for row in rows] + [problems for *_, problems in began]
    failed = sum(1 for problems in results if problems)
    print(f"{len(results) - failed} passed, {failed} failed, {len(missing)} skipped")
    return 1 if failed or not results else 0


if __name__ == "__main__":
    sys.exit(main())
