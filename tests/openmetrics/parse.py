"""Reads bodies of /metrics as strictly as readers that are not ours can, and prints what is in them as JSON.

parse.py text|openmetrics|protobuf [gzip] < body
parse.py many < for each body a line with its format and its length, and the body

The formats of lines are read by the official Python client, protobuf by Google's library from the public schema.
"""

import gzip
import json
import sys

from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.utils import floatToGoString

import metrics_schema


def sample(name, labels, value):
    return [name, labels, repr(float(value))]


def of_lines(text, parse):
    """Families, samples and exemplars as a parser of the Python client gives them."""
    families, samples, exemplars = {}, [], []
    for family in parse(text):
        assert family.type != "unknown" and family.documentation, family
        families[family.name] = [family.type, family.documentation, family.unit]
        for line in family.samples:
            assert line.timestamp is None, line
            samples.append(sample(line.name, line.labels, line.value))
            if line.exemplar is not None:
                exemplar = line.exemplar
                value, time = float(exemplar.value), float(exemplar.timestamp)
                exemplars.append([line.name, line.labels, exemplar.labels, value, time])
    return {"families": families, "samples": samples, "exemplars": exemplars, "text": text}


TYPES = {0: "counter", 1: "gauge", 4: "histogram"}


def of_pairs(pairs):
    labels = {pair.name: pair.value for pair in pairs}
    assert len(labels) == len(pairs), pairs
    return labels


def seconds(time):
    return time.seconds + time.nanos / 1e9


def native(histogram):
    """Counts by the index of the bucket."""
    buckets, index, deltas, count = {}, 0, list(histogram.positive_delta), 0
    for span in histogram.positive_span:
        index += span.offset
        for _ in range(span.length):
            count += deltas.pop(0)
            buckets[index] = count
            index += 1
    assert not deltas, histogram
    assert sum(buckets.values()) + histogram.zero_count == histogram.sample_count, histogram
    return {
        "schema": histogram.schema,
        "zero_threshold": histogram.zero_threshold,
        "zero_count": histogram.zero_count,
        "buckets": buckets,
    }


def of_protobuf(body):
    """The same of messages, written out as lines would be; and what lines do not have."""
    families, samples, exemplars, starts, natives = {}, [], [], [], []

    def look_at(name, labels, message):
        if message.HasField("exemplar"):
            exemplar = message.exemplar
            found = [name, labels, of_pairs(exemplar.label), exemplar.value, seconds(exemplar.timestamp)]
            exemplars.append(found)

    for family in metrics_schema.families(body):
        kind = TYPES[family.type]
        name = family.name
        assert family.help and family.metric, family
        base = name.removesuffix("_total") if kind == "counter" else name
        assert base not in families, f"{name} comes twice"
        families[base] = [kind, family.help, family.unit]
        for metric in family.metric:
            labels = of_pairs(metric.label)
            value = getattr(metric, kind)
            assert [field.name for field, _ in metric.ListFields() if field.name != "label"] == [kind], metric
            if kind != "gauge" and value.HasField("start_timestamp"):
                starts.append([name, labels, seconds(value.start_timestamp)])
            if kind != "histogram":
                samples.append(sample(name, labels, value.value))
                if kind == "counter":
                    look_at(name, labels, value)
                continue
            for bucket in value.bucket:
                of_bucket = {**labels, "le": floatToGoString(bucket.upper_bound)}
                samples.append(sample(f"{name}_bucket", of_bucket, bucket.cumulative_count))
                look_at(f"{name}_bucket", of_bucket, bucket)
            samples.append(sample(f"{name}_sum", labels, value.sample_sum))
            samples.append(sample(f"{name}_count", labels, value.sample_count))
            if value.positive_span or value.zero_threshold:
                natives.append([name, labels, native(value)])
    return {
        "families": families,
        "samples": samples,
        "exemplars": exemplars,
        "starts": starts,
        "natives": natives,
    }


def read(form, body):
    if form == "protobuf":
        return of_protobuf(body)
    parse = {
        "text": parser.text_string_to_metric_families,
        "openmetrics": openmetrics_parser.text_string_to_metric_families,
    }[form]
    return of_lines(body.decode("utf-8"), parse)


def many(stream):
    found = []
    while line := stream.readline():
        form, length = line.decode().split()
        found.append(read(form, stream.read(int(length))))
    return found


def main():
    if sys.argv[1] == "many":
        json.dump(many(sys.stdin.buffer), sys.stdout)
        return
    body = sys.stdin.buffer.read()
    if "gzip" in sys.argv[2:]:
        body = gzip.decompress(body)
    json.dump(read(sys.argv[1], body), sys.stdout)


main()
