"""Datadog's OpenMetrics check, as its agent runs it."""

import importlib.metadata
import os

from samples import Seen, Way, family, key

NAMESPACE = "ns"


def found():
    try:
        version = importlib.metadata.version("datadog-checks-base")
    except importlib.metadata.PackageNotFoundError:
        return
    yield version, [Way("as it is", look(False)), Way("use_latest_spec", look(True))]


def look(latest):
    return lambda address, _: checked(address, latest)


def checked(address, latest):
    # Tags that are too usual are for the authors of checks to avoid; an agent takes them.
    os.environ["DDEV_SKIP_GENERIC_TAGS_CHECK"] = "true"
    from datadog_checks.base import OpenMetricsBaseCheckV2
    from datadog_checks.base.stubs import aggregator

    aggregator.reset()
    instance = {
        "openmetrics_endpoint": f"http://{address}/metrics",
        "namespace": NAMESPACE,
        "metrics": [".+"],
        "use_latest_spec": latest,
        # A process that has begun after the check counts from its first value.
        "use_process_start_time": False,
        "tag_by_endpoint": False,
    }
    check = OpenMetricsBaseCheckV2("exporter", {}, [instance])
    # An agent calls it again and again, and takes what a counter has gained.
    for _ in range(2):
        said = check.run()
        assert not said, said
    names = aggregator.metric_names
    histograms = {name.removesuffix(".bucket") for name in names if name.endswith(".bucket")}
    seen = Seen({}, {})
    for full in names:
        if full.startswith(f"{NAMESPACE}.telemetry."):
            continue
        for metric in aggregator.metrics(full):
            of, kind = sample(full, metric.tags, full.rsplit(".", 1)[0] in histograms)
            seen.samples[of] = float(metric.value)
            seen.types[family(base(of[0], kind), kind)] = kind
            if (metric.type == aggregator.GAUGE) != (kind == "gauge"):
                seen.problems.append(f"{full} has type {metric.type}")
    seen.cannot += ["has no help, exemplars or queries, and no bucket +Inf"]
    return seen


def base(name, kind):
    return name.rsplit("_", 1)[0] if kind == "histogram" else name


def sample(full, tags, in_histogram):
    """The sample that a metric of the check was, and the type of its family."""
    name, labels = full.removeprefix(f"{NAMESPACE}."), dict(tag.split(":", 1) for tag in tags)
    name, _, suffix = name.rpartition(".")
    if not name:
        return key(suffix, labels), "gauge"
    if not in_histogram:
        return key(f"{name}_total", labels), "counter"
    if suffix == "bucket":
        labels["le"] = labels.pop("upper_bound")
        labels.pop("lower_bound", None)
    return key(f"{name}_{suffix}", labels), "histogram"
