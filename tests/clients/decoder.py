"""A protobuf decoder that shares nothing with the exporter: Google's runtime, generated from the public schema.

Debian's schema is older than start timestamps: they are read from the fields that it does not know.
"""

import importlib
import importlib.metadata
import importlib.resources
import io
import os
import sys
import tempfile
from pathlib import Path

from parsers import fetch
from samples import Exemplar, Native, Seen, Way, family, key

DEBIAN = "/usr/share/gocode/src/github.com/prometheus/client_model/io/prometheus/client/metrics.proto"
TYPES = ["counter", "gauge", "summary", "untyped", "histogram", "gaugehistogram"]
# The numbers of start_timestamp, once created_timestamp.
START = {"counter": 3, "histogram": 15}


def schema():
    path = Path(os.environ.get("METRICS_PROTO") or DEBIAN)
    return path if path.exists() else None


def generated():
    """The module that protoc makes of the schema."""
    if "metrics_pb2" not in sys.modules:
        from grpc_tools import protoc

        directory = tempfile.mkdtemp(prefix="clients-schema-")
        known = importlib.resources.files("grpc_tools") / "_proto"
        arguments = ["protoc", f"-I{schema().parent}", f"-I{known}", f"--python_out={directory}", str(schema())]
        assert protoc.main(arguments) == 0, f"protoc does not take {schema()}"
        sys.path.insert(0, directory)
    return importlib.import_module("metrics_pb2")


def found():
    if schema():
        yield importlib.metadata.version("protobuf"), [Way("delimited MetricFamily", look, protobuf=True, native=True)]


def look(address, _):
    body, content_type = fetch(address, "protobuf")
    assert content_type.startswith("application/vnd.google.protobuf"), f"it is answered with {content_type}"
    return decoded(body)


def families(body):
    from google.protobuf import proto

    stream, of = io.BytesIO(body), generated().MetricFamily
    while (one := proto.parse_length_prefixed(of, stream)) is not None:
        yield one


def decoded(body):
    seen = Seen({}, {}, {}, [], native={}, starts={})
    for one in families(body):
        kind = TYPES[one.type]
        name = family(one.name, kind)
        if name in seen.types:
            seen.problems.append(f"{name} comes twice")
        seen.types[name], seen.helps[name] = kind, one.help
        if kind == "counter" and not one.name.endswith("_total"):
            seen.problems.append(f"a counter without _total: {one.name}")
        for metric in one.metric:
            labels = {pair.name: pair.value for pair in metric.label}
            if len(labels) != len(metric.label):
                seen.problems.append(f"a label twice: {metric.label}")
            if metric.HasField("timestamp_ms"):
                seen.problems.append(f"a sample has a timestamp: {name} {labels}")
            read(seen, one.name, kind, labels, getattr(metric, kind))
    seen.cannot.append("it has no queries")
    return seen


def read(seen, name, kind, labels, value):
    of = key(name, labels)
    if kind == "histogram":
        read_histogram(seen, name, labels, value)
    else:
        put(seen, of, value.value)
    if kind == "counter" and value.HasField("exemplar"):
        seen.exemplars.append(exemplar(name, labels, value.exemplar))
    if kind in START and (start := start_timestamp(value, START[kind])) is not None:
        seen.starts[of] = start


def put(seen, of, value):
    if of in seen.samples:
        seen.problems.append(f"twice: {of}")
    seen.samples[of] = value


def read_histogram(seen, name, labels, histogram):
    bounds = [bucket.upper_bound for bucket in histogram.bucket]
    counts = [bucket.cumulative_count for bucket in histogram.bucket]
    if bounds != sorted(set(bounds)) or counts != sorted(counts):
        seen.problems.append(f"buckets out of order: {name} {labels}")
    if is_native(histogram):
        seen.native[key(name, labels)] = native(histogram)
    for bucket in histogram.bucket:
        bound = labels | {"le": repr(bucket.upper_bound)}
        put(seen, key(f"{name}_bucket", bound), bucket.cumulative_count)
        if bucket.HasField("exemplar"):
            seen.exemplars.append(exemplar(f"{name}_bucket", bound, bucket.exemplar))
    if bounds and bounds[-1] != float("inf"):
        put(seen, key(f"{name}_bucket", labels | {"le": "inf"}), histogram.sample_count)
    put(seen, key(f"{name}_count", labels), histogram.sample_count)
    put(seen, key(f"{name}_sum", labels), histogram.sample_sum)


def is_native(histogram):
    """As Prometheus tells them apart."""
    return bool(histogram.positive_span or histogram.negative_span or histogram.zero_threshold or histogram.zero_count)


def native(histogram):
    assert not histogram.negative_span and not histogram.positive_count, "durations are whole, and not below 0"
    lengths = sum(span.length for span in histogram.positive_span)
    assert lengths == len(histogram.positive_delta), f"spans of {lengths}, {len(histogram.positive_delta)} deltas"
    buckets, index, count = {}, 0, 0
    deltas = iter(histogram.positive_delta)
    for span in histogram.positive_span:
        index += span.offset
        for _ in range(span.length):
            count += next(deltas)
            assert count >= 0, f"a bucket with {count}"
            bounds = 2 ** ((index - 1) / 2**histogram.schema), 2 ** (index / 2**histogram.schema)
            if count:
                buckets[bounds] = count
            index += 1
    if histogram.zero_count:
        buckets[-histogram.zero_threshold, histogram.zero_threshold] = histogram.zero_count
    return Native(histogram.sample_count, histogram.sample_sum, buckets)


def exemplar(name, labels, found):
    ids = {pair.name: pair.value for pair in found.label}
    time = None
    if found.HasField("timestamp"):
        time = found.timestamp.seconds + found.timestamp.nanos / 1e9
    return Exemplar(name, labels, ids, found.value, time)


def start_timestamp(value, number):
    """Unix seconds, or None: of the field that has the number, whether the schema knows it or not."""
    from google.protobuf.timestamp_pb2 import Timestamp
    from google.protobuf.unknown_fields import UnknownFieldSet

    if (known := value.DESCRIPTOR.fields_by_number.get(number)) is not None:
        stamp = getattr(value, known.name) if value.HasField(known.name) else None
    else:
        unknown = [field.data for field in UnknownFieldSet(value) if field.field_number == number]
        stamp = Timestamp.FromString(unknown[-1]) if unknown else None
    return None if stamp is None else stamp.seconds + stamp.nanos / 1e9
