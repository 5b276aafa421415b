"""Serves the series of a text file with prometheus_client, as a Python exporter would hold them: in a registry."""

import sys
import threading

from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server
from prometheus_client.parser import text_string_to_metric_families

port, path = int(sys.argv[1]), sys.argv[2]
registry = CollectorRegistry()
with open(path) as file:
    families = list(text_string_to_metric_families(file.read()))
for family in families:
    # A histogram's samples are as many gauges: what is compared is the cost of a sample.
    by_name = {}
    for sample in family.samples:
        name = sample.name.removesuffix("_total") if family.type == "counter" else sample.name
        kind = Counter if family.type == "counter" else Gauge
        if name.endswith("_created"):
            continue
        if name not in by_name:
            by_name[name] = kind(name, family.documentation, sorted(sample.labels), registry=registry)
        metric = by_name[name]
        child = metric.labels(**sample.labels) if sample.labels else metric
        child.inc(sample.value) if kind is Counter else child.set(sample.value)
start_http_server(port, addr="127.0.0.1", registry=registry)
threading.Event().wait()
