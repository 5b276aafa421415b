"""Prometheus: Debian's on PATH, and any that PROMETHEUS names (paths, separated by colons)."""

import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

from parsers import ACCEPT, fetch
from process import Program, free_port, get_json, until
from samples import Exemplar, Native, Seen, Way, family, key
from truth import DURATIONS, QUANTILES

JOB = '{job="exporter"}'
# What Prometheus makes of a scrape by itself.
OWN = ("up", "scrape_")
PROTOCOLS = {"text": "PrometheusText0.0.4", "OpenMetrics": "OpenMetricsText1.0.0", "protobuf": "PrometheusProto"}


def programs():
    paths = [path for path in os.environ.get("PROMETHEUS", "").split(":") if path]
    if on_path := shutil.which("prometheus"):
        paths.append(on_path)
    return list(dict.fromkeys(paths))


def version_of(path):
    done = subprocess.run([path, "--version"], capture_output=True, text=True, check=True)
    return re.search(r"version (\d+\.\d+\.\d+)", done.stdout + done.stderr)[1]


def ways(path, version):
    number = tuple(int(part) for part in version.split(".")[:2])

    def way(name, features, more=None, **of):
        return Way(name, Look(path, features, more or {}), **of)

    keeping = ["exemplar-storage"]
    yield way("as it is", [])
    if number < (2, 49):
        yield way("exemplar-storage", keeping)
        taking = ["native-histograms", *keeping]
        yield way(", ".join(taking), taking, protobuf=True, native=True)
        yield way("text, which the proxy asks for", [], accept=ACCEPT["text"])
        return
    # A key of the configuration since 3.8, a feature before.
    key = {"scrape_native_histograms": True} if number >= (3, 8) else {}
    taking = keeping if key else ["native-histograms", *keeping]
    newer = {"text 1.0.0": "PrometheusText1.0.0"} if number >= (3, 0) else {}
    for protocol, name in (PROTOCOLS | newer).items():
        only = {"scrape_protocols": [name]}
        yield way(f"scrape_protocols: {name}", keeping, only, protobuf=protocol == "protobuf")
    yield way(
        "native histograms", taking, {"scrape_protocols": [PROTOCOLS["protobuf"]]} | key, protobuf=True, native=True
    )
    zero = ["created-timestamp-zero-ingestion", *keeping]
    yield way(", ".join(zero), zero, protobuf=True)


class Look:
    """Starts the program on an address, and asks it for everything that it has."""

    def __init__(self, path, features, more):
        self.path, self.features, self.more = path, features, more

    def start(self, address, directory):
        """The process, and where its API is."""
        config = directory / "prometheus.yml"
        target = {"targets": [address]}
        scrape = {"job_name": "exporter", "static_configs": [target], "scrape_interval": "1s", "scrape_timeout": "1s"}
        config.write_text(json.dumps({"scrape_configs": [scrape | self.more]}))
        url = f"127.0.0.1:{free_port()}"
        flags = [f"--config.file={config}", f"--storage.tsdb.path={directory / 'data'}", f"--web.listen-address={url}"]
        if self.features:
            flags.append(f"--enable-feature={','.join(self.features)}")
        return Program([self.path, *flags], directory / "prometheus.log"), f"http://{url}/api/v1"

    def __call__(self, address, directory):
        program, api = self.start(address, directory)
        with program:
            until("Prometheus has scraped the exporter", lambda: scraped(api, program))
            return asked(api, "exemplar-storage" in self.features)


def scraped(api, program):
    program.must_run()
    up = vector(api, f"up{JOB}")
    return True if up and up[0]["value"][1] == "1" else None


def asked(api, keeps_exemplars):
    seen = Seen({}, native={})
    for found in vector(api, JOB):
        labels = {name: value for name, value in found["metric"].items() if name not in ("job", "instance")}
        name = labels.pop("__name__")
        if name.startswith(OWN):
            continue
        if "histogram" in found:
            seen.native[key(name, labels)] = native(found["histogram"][1])
        else:
            seen.samples[key(name, labels)] = float(found["value"][1])
    metadata = get_json(f"{api}/targets/metadata", match_target=JOB)["data"]
    seen.types = {family(one["metric"], one["type"]): one["type"] for one in metadata}
    seen.helps = {family(one["metric"], one["type"]): one["help"] for one in metadata}
    if keeps_exemplars:
        seen.exemplars = exemplars(api)
    else:
        seen.cannot.append("keeps exemplars only with exemplar-storage")
    if seen.native:
        seen.cannot.append("keeps no buckets of what is native")
    classic = f"sum by (le) ({DURATIONS}_bucket{JOB})"
    seen.quantiles = quantiles(api, classic)
    seen.native_quantiles = quantiles(api, f"sum({DURATIONS}{JOB})") if seen.native else None
    return seen


def vector(api, query):
    return get_json(f"{api}/query", query=query)["data"]["result"]


def quantiles(api, of):
    """None where there is nothing to ask of."""
    found = {q: vector(api, f"histogram_quantile({q}, {of})") for q in QUANTILES}
    return {q: float(result[0]["value"][1]) for q, result in found.items()} if all(found.values()) else None


def native(histogram):
    buckets = {}
    for _, lower, upper, count in histogram.get("buckets") or []:
        buckets[float(lower), float(upper)] = float(count)
    return Native(float(histogram["count"]), float(histogram["sum"]), buckets)


def exemplars(api):
    now = time.time()
    found = get_json(f"{api}/query_exemplars", query=JOB, start=now - 3600, end=now + 3600)["data"]
    return [
        Exemplar(
            series["seriesLabels"]["__name__"],
            {n: v for n, v in series["seriesLabels"].items() if n not in ("__name__", "job", "instance")},
            exemplar["labels"],
            float(exemplar["value"]),
            float(exemplar["timestamp"]),
        )
        for series in found
        for exemplar in series["exemplars"]
    ]


def found():
    for path in programs():
        version = version_of(path)
        yield version, list(ways(path, version))


def promtool_found():
    """promtool beside each Prometheus: it reads a body, and says what it finds wrong."""
    for path in programs():
        tool = Path(path).with_name("promtool")
        if tool.exists():
            yield version_of(tool), [Way("check metrics", check_metrics(tool))]


def check_metrics(tool):
    def look(address, _):
        body, _ = fetch(address, "text")
        done = subprocess.run([tool, "check", "metrics"], input=body, capture_output=True, check=False)
        said = (done.stdout + done.stderr).decode().strip()
        problems = [f"promtool: {said or done.returncode}"] if done.returncode or said else []
        return Seen(None, problems=problems, cannot=["it reads text alone, and says only what is wrong with it"])

    return look
