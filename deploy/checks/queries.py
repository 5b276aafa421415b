"""What may be asked of Prometheus: queries are parsed, and their metrics and labels must exist (metrics.yml)."""

from pathlib import Path

import promql_parser
import yaml

from checks import DEPLOY

METRICS = yaml.safe_load((Path(__file__).parent / "metrics.yml").read_text())
# Of the scrape; exporter and replica where several share a record (scrape.yml).
TARGET_LABELS = {"job", "instance", "exporter", "replica"}
ALERT_LABELS = {"alertname", "severity", "account", "region_id", "command", "error_code"}


def _series():
    """Every name that a query can have, with the labels of its series."""
    # Prometheus's own: of its targets, and of the alerts of its rules.
    series = {"up": set(), "ALERTS": ALERT_LABELS | {"alertstate"}, "ALERTS_FOR_STATE": ALERT_LABELS}
    for name, metric in METRICS.items():
        labels = set(metric["labels"])
        if metric["type"] == "histogram":
            series |= {f"{name}_bucket": labels | {"le"}, f"{name}_sum": labels, f"{name}_count": labels}
            if metric.get("native"):
                series[name] = labels
        else:
            series[name] = labels
    for group in yaml.safe_load((DEPLOY / "prometheus" / "recording.rules.yml").read_text())["groups"]:
        for rule in group["rules"]:
            level = rule["record"].split(":")[0]
            series[rule["record"]] = {
                label for metric in METRICS.values() for label in metric["labels"] if label in level
            }
    return series


SERIES = _series()
LABELS = TARGET_LABELS.union(*SERIES.values())


def children(node):
    for attribute in ("expr", "lhs", "rhs", "param", "vector_selector"):
        if (child := getattr(node, attribute, None)) is not None:
            yield child
    yield from getattr(node, "args", [])


def walk(node, parents=()):
    """Each node with those above it, nearest last."""
    yield node, parents
    for child in children(node):
        yield from walk(child, (*parents, node))


def selectors(expr):
    """(name, matchers, nodes above) of each selector of a query."""
    for node, parents in walk(promql_parser.parse(expr)):
        if isinstance(node, promql_parser.VectorSelector):
            yield node.name, node.matchers.matchers, parents


def problems(expr):
    """What is wrong with a query, as a list of sentences."""
    try:
        nodes = list(walk(promql_parser.parse(expr)))
    except ValueError as error:
        return [f"does not parse: {error}: {expr}"]
    found = []
    for node, _ in nodes:
        if isinstance(node, promql_parser.VectorSelector):
            known = SERIES.get(node.name)
            if known is None:
                found.append(f"no such metric: {node.name}")
                continue
            names = {m.name for m in node.matchers.matchers if m.name != "__name__"}
            found += [f"{node.name} has no label {label}" for label in names - known - TARGET_LABELS]
        modifier = getattr(node, "modifier", None)
        if isinstance(modifier, promql_parser.AggModifier):
            found += [f"no metric has the label {label}" for label in set(modifier.labels) - LABELS]
    return found
