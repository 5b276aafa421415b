"""The OpenTelemetry Collector: its receiver scrapes as Prometheus does, and its exporter shows what came of it.

No registry that is reached from here has it: where OTELCOL names one, or PATH has it, it is asked.
"""

import os
import re
import shutil
import subprocess

import yaml
from parsers import fetch, parsed
from process import Program, free_port, until
from samples import Way, key

NAMES = ("otelcol", "otelcol-contrib")
# What it adds to each series, or says of itself.
ADDED = ("job", "instance", "otel_scope_name", "otel_scope_version", "otel_scope_schema_url")
OWN = ("up", "scrape_", "target_info")


def found():
    paths = [path for path in os.environ.get("OTELCOL", "").split(":") if path]
    paths += [path for path in map(shutil.which, NAMES) if path]
    for path in dict.fromkeys(paths):
        done = subprocess.run([path, "--version"], capture_output=True, text=True, check=True)
        yield re.search(r"\d+\.\d+\.\d+", done.stdout)[0], [Way("prometheusreceiver", look(path))]


def look(path):
    def look(address, directory):
        at = f"127.0.0.1:{free_port()}"
        scrape = {"job_name": "exporter", "scrape_interval": "1s", "static_configs": [{"targets": [address]}]}
        pipeline = {"receivers": ["prometheus"], "exporters": ["prometheus"]}
        config = directory / "otelcol.yml"
        config.write_text(
            yaml.safe_dump(
                {
                    "receivers": {"prometheus": {"config": {"scrape_configs": [scrape]}}},
                    "exporters": {
                        "prometheus": {"endpoint": at, "enable_open_metrics": True, "send_timestamps": False}
                    },
                    "service": {"pipelines": {"metrics": pipeline}, "telemetry": {"metrics": {"level": "none"}}},
                }
            )
        )
        with Program([path, f"--config={config}"], directory / "otelcol.log") as program:
            return shown(at, program)

    return look


def shown(at, program):
    def scraped():
        program.must_run()
        text = fetch(at, "OpenMetrics")[0].decode()
        return text if "cloud_assistant_up" in text else None

    seen = parsed(until("the collector has scraped the exporter", scraped), "OpenMetrics")
    kept = {}
    for (name, labels), value in seen.samples.items():
        if not name.startswith(OWN):
            kept[key(name, {label: of for label, of in labels if label not in ADDED})] = value
    seen.samples = kept
    return seen
