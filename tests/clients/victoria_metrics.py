"""VictoriaMetrics, single node: Debian's on PATH, and any that VICTORIA_METRICS names (paths, separated by colons)."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from process import Program, free_port, get, until
from prometheus import JOB, OWN, quantiles, vector
from samples import Seen, Way, key
from truth import DURATIONS

NAMES = ("victoria-metrics", "victoria-metrics-prod")


def found():
    paths = [path for path in os.environ.get("VICTORIA_METRICS", "").split(":") if path]
    paths += [path for path in map(shutil.which, NAMES) if path]
    for path in dict.fromkeys(paths):
        ways = [Way("-promscrape.config", look(path, {})), Way("stream_parse", look(path, {"stream_parse": True}))]
        yield version_of(path), ways


def version_of(path):
    """Debian's does not say its own, its package does."""
    for command in ([path, "-version"], ["dpkg-query", "--show", "--showformat=${Version}", Path(path).name]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if version := re.search(r"\d+\.\d+\.\d+", done.stdout + done.stderr):
            return version[0]
    return ""


def look(path, more):
    def look(address, directory):
        config = directory / "scrape.yml"
        scrape = {"job_name": "exporter", "static_configs": [{"targets": [address]}], "scrape_interval": "1s"}
        config.write_text(json.dumps({"scrape_configs": [scrape | more]}))
        at = f"127.0.0.1:{free_port()}"
        flags = [f"-promscrape.config={config}", f"-storageDataPath={directory / 'data'}", f"-httpListenAddr={at}"]
        # What was scraped is there to be asked for at once.
        flags += ["-search.latencyOffset=0s", "-search.disableCache"]
        with Program([path, *flags], directory / "victoria-metrics.log") as program:
            return asked(f"http://{at}", program)

    return look


def asked(url, program):
    api = f"{url}/api/v1"

    def scraped():
        program.must_run()
        get(f"{url}/internal/force_flush")
        up = vector(api, f"up{JOB}")
        return True if up and up[0]["value"][1] == "1" and vector(api, DURATIONS + "_count" + JOB) else None

    until("VictoriaMetrics has scraped the exporter", scraped)
    seen = Seen({})
    for found in vector(api, JOB):
        labels = {name: value for name, value in found["metric"].items() if name not in ("job", "instance")}
        name = labels.pop("__name__")
        if not name.startswith(OWN):
            seen.samples[key(name, labels)] = float(found["value"][1])
    seen.quantiles = quantiles(api, f"sum by (le) ({DURATIONS}_bucket{JOB})")
    seen.cannot += ["asks for text alone", "has no types, help or exemplars"]
    return seen
