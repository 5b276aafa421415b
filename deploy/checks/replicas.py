"""Replicas that share a record are one exporter for Prometheus: the two rules of scrape.yml, and what has them too."""

import json
import re
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import yaml

from checks import DEPLOY, ROOT, chart, check, queries, tool

SCRAPE = yaml.safe_load((DEPLOY / "prometheus" / "scrape.yml").read_text())["scrape_configs"][0]
RULES = SCRAPE["metric_relabel_configs"]
NAME = "pair"
RESULTS = "cloud_assistant_results_total"
DEADLINE_SECONDS = 60
# A standby serves them, or they are of what the replica itself knows of the database.
OF_REPLICA = {name for name, metric in queries.METRICS.items() if metric.get("standby")}
OF_STATE = {name for name in queries.METRICS if name.startswith("cloud_assistant_exporter_state_")}


class Pair:
    """Two replicas that answer what real ones would: everything in metrics.yml, or what a standby serves."""

    def __init__(self):
        self.leader, self.counted = 0, 1
        self.servers = [self._serve(number) for number in (0, 1)]

    def _serve(self, number):
        pair = self

        class Replica(BaseHTTPRequestHandler):
            def do_GET(self):
                body = pair.text(number).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Replica)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    def text(self, number):
        leads, lines = self.leader == number, []
        for name, metric in queries.METRICS.items():
            if not leads and name not in OF_REPLICA:
                continue
            labels = [f'{label}="x"' for label in metric["labels"]]
            value = int(leads) if name == "cloud_assistant_exporter_leader" else self.counted
            lines.append(f"# TYPE {name} {metric['type']}")
            if metric["type"] == "histogram":
                bucket = [*labels, 'le="+Inf"']
                lines.append(f"{name}_bucket{{{','.join(bucket)}}} {value}")
                lines += [f"{name}_{part}{{{','.join(labels)}}} {value}" for part in ("sum", "count")]
            else:
                lines.append(f"{name}{{{','.join(labels)}}} {value}")
        return "\n".join(lines) + "\n"

    def addresses(self):
        return [f"127.0.0.1:{server.server_port}" for server in self.servers]

    def end(self, number):
        self.servers[number].shutdown()
        self.servers[number].server_close()


class Prometheus:
    def __init__(self, directory, targets):
        job = SCRAPE | {
            "scrape_interval": "200ms",
            "static_configs": [{"targets": targets, "labels": {"exporter": NAME}}],
        }
        (directory / "prometheus.yml").write_text(yaml.safe_dump({"scrape_configs": [job]}))
        self.log = directory / "log"
        self.process = subprocess.Popen(
            [
                tool("prometheus"),
                f"--config.file={directory}/prometheus.yml",
                f"--storage.tsdb.path={directory}/data",
                "--web.listen-address=127.0.0.1:0",
            ],
            stdout=self.log.open("w"),
            stderr=subprocess.STDOUT,
        )
        self.url = until("Prometheus listens", self._listens)
        until("Prometheus answers", self._is_ready)

    def _listens(self):
        assert self.process.poll() is None, self.log.read_text()
        found = re.search(r"Listening on[^\n]* address=(127\.0\.0\.1:\d+)", self.log.read_text())
        return found and f"http://{found[1]}"

    def _is_ready(self):
        try:
            return urllib.request.urlopen(f"{self.url}/-/ready", timeout=10).status == 200
        except urllib.error.HTTPError:
            return False

    def ask(self, path, **form):
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(form)}", timeout=10) as response:
            return json.load(response)["data"]

    def values(self, query):
        return [float(sample["value"][1]) for sample in self.ask("query", query=query)["result"]]


def until(what, look):
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {DEADLINE_SECONDS} s: {what}"
        time.sleep(0.1)
    return found


@contextmanager
def scraped_pair():
    pair = Pair()
    with tempfile.TemporaryDirectory() as directory:
        prometheus = Prometheus(Path(directory), pair.addresses())
        try:
            yield pair, prometheus
        finally:
            prometheus.process.terminate()
            prometheus.process.wait()


@check
def one_exporter():
    """with the rules of scrape.yml a real Prometheus has one series set of two replicas, over a handover and a death"""
    with scraped_pair() as (pair, prometheus):

        def counted(what, number):
            pair.leader, pair.counted = number, pair.counted + 1
            until(what, lambda: prometheus.values(RESULTS) == [pair.counted])

        counted("the first leads", 0)
        until("the other is scraped", lambda: prometheus.values("count(up == 1)") == [2])
        for _ in range(3):
            counted("the second has taken over", 1)
            counted("the first has taken over again", 0)
        pair.end(0)
        counted("the second leads, since the first is gone", 1)
        until("the first is missed", lambda: sorted(prometheus.values("up")) == [0, 1])

        assert prometheus.values(f"resets({RESULTS}[5m])") == [0], "the counter is several series, or was reset"
        assert prometheus.values(f"max_over_time({RESULTS}[5m]) - min_over_time({RESULTS}[5m])") == [
            pair.counted - 2
        ], "a step is missing"
        series = prometheus.ask("series", **{"match[]": f'{{exporter="{NAME}"}}'})
        log = prometheus.log.read_text()
        assert not re.search(r"level=(?:warn|error)|ingesting", log), log
    addresses = set(pair.addresses())
    for name in queries.METRICS:
        found = [s for s in series if re.fullmatch(rf"{name}(_bucket|_sum|_count)?", s["__name__"])]
        assert {s["instance"] for s in found} == {NAME}, found
        replicas = [s.get("replica") for s in found]
        if name in OF_REPLICA | OF_STATE:
            assert set(replicas) == addresses and len(replicas) == 2, f"{name}: {found}"
        else:
            assert set(replicas) == {None}, f"{name}: {found}"
            assert len(found) == (3 if queries.METRICS[name]["type"] == "histogram" else 1), f"{name}: {found}"
    assert {s["instance"] for s in series if s["__name__"] == "up"} == addresses
    return f"{len(queries.METRICS)} families, {len(OF_REPLICA)} of them of a standby as well"


@check
def alone():
    """without the label exporter the rules of scrape.yml change nothing"""
    for rule in RULES:
        labels = {"__name__": "cloud_assistant_exporter_build_info", "instance": "localhost:10069"}
        text = ";".join(labels.get(label, "") for label in rule["source_labels"])
        assert re.fullmatch(rule["regex"], text) is None, rule
    return f"{len(RULES)} rules"


@check
def same_rules():
    """the chart, the compose file and docs/high-availability.md relabel by the rules of scrape.yml"""
    (monitor,) = [d for d in chart.rendered(chart.CI_VALUES["replicas-values.yaml"]) if d["kind"] == "ServiceMonitor"]
    of_chart = [
        {re.sub(r"[A-Z]", lambda m: "_" + m[0].lower(), key): value for key, value in rule.items()}
        for rule in monitor["spec"]["endpoints"][0]["metricRelabelings"]
    ]
    assert of_chart == RULES, of_chart
    compose = yaml.safe_load((DEPLOY / "docker" / "prometheus-replicas.yml").read_text())["scrape_configs"][0]
    assert compose["metric_relabel_configs"] == RULES, compose
    assert all("exporter" in group["labels"] for group in compose["static_configs"])
    page = (ROOT / "docs" / "high-availability.md").read_text()
    (block,) = [b for b in re.findall(r"```yaml\n(.*?)```", page, re.S) if "metric_relabel_configs" in b]
    assert yaml.safe_load(block)["metric_relabel_configs"] == RULES, block
