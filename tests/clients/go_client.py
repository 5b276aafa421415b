"""The decoders of the official Go client, by the library of prom2json: Debian's, built when it is first run."""

import json
import os
import shutil
import subprocess
from pathlib import Path

from fleet import ROOT
from parsers import ACCEPT
from samples import Seen, Way, family, key

SOURCES = Path("/usr/share/gocode")
LIBRARY = SOURCES / "src" / "github.com" / "prometheus" / "prom2json"
MAIN = Path(__file__).parent / "prom2json" / "main.go"
BUILT = ROOT / "target" / "prom2json"


def found():
    if not shutil.which("go") or not LIBRARY.exists():
        return
    package = "golang-github-prometheus-prom2json-dev"
    said = subprocess.run(["dpkg-query", "--show", "--showformat=${Version}", package], capture_output=True, text=True)
    version = said.stdout.split("+")[0].split("-")[0]
    yield (
        version,
        [Way("as it is", look, protobuf=True), Way("text, which the proxy asks for", look, accept=ACCEPT["text"])],
    )


def build():
    if not BUILT.exists() or BUILT.stat().st_mtime < MAIN.stat().st_mtime:
        go = {"GO111MODULE": "off", "GOPATH": str(SOURCES), "GOCACHE": str(ROOT / "target" / "go-cache")}
        subprocess.run(["go", "build", "-o", BUILT, MAIN], env=os.environ | go, check=True)


def look(address, _):
    build()
    done = subprocess.run([BUILT, f"http://{address}/metrics"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    seen = Seen({}, {}, {})
    for one in json.loads(done.stdout):
        kind = one["type"].lower()
        name = family(one["name"], kind)
        seen.types[name], seen.helps[name] = kind, one["help"]
        for metric in one["metrics"]:
            read(seen.samples, one["name"], metric)
            if "timestamp_ms" in metric:
                seen.problems.append(f"a sample has a timestamp: {metric}")
    seen.cannot.append("shows no exemplars, native histograms or quantiles")
    return seen


def read(samples, name, metric):
    labels = metric.get("labels", {})
    if "value" in metric:
        samples[key(name, labels)] = float(metric["value"])
        return
    for bound, count in metric["buckets"].items():
        samples[key(f"{name}_bucket", labels | {"le": bound})] = float(count)
    # The library shows the last bucket only where it was sent; the decoders do not need it.
    samples.setdefault(key(f"{name}_bucket", labels | {"le": "inf"}), float(metric["count"]))
    samples[key(f"{name}_count", labels)] = float(metric["count"])
    samples[key(f"{name}_sum", labels)] = float(metric["sum"])
