"""The public schema of Prometheus' protobuf exposition, for Google's library: messages, and the numbers and types of
their fields. A field that is not among them is an error: nobody would read it."""

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE = "io.prometheus.client"

# Source: prompb/io/prometheus/client/metrics.proto of Prometheus. A * is for a repeated field.
MESSAGES = {
    "LabelPair": {1: ("name", "string"), 2: ("value", "string")},
    "Timestamp": {1: ("seconds", "int64"), 2: ("nanos", "int32")},
    "Exemplar": {
        1: ("label", "*LabelPair"),
        2: ("value", "double"),
        3: ("timestamp", "Timestamp"),
    },
    "Gauge": {1: ("value", "double")},
    "Counter": {
        1: ("value", "double"),
        2: ("exemplar", "Exemplar"),
        3: ("start_timestamp", "Timestamp"),
    },
    "Bucket": {
        1: ("cumulative_count", "uint64"),
        2: ("upper_bound", "double"),
        3: ("exemplar", "Exemplar"),
    },
    "BucketSpan": {1: ("offset", "sint32"), 2: ("length", "uint32")},
    "Histogram": {
        1: ("sample_count", "uint64"),
        2: ("sample_sum", "double"),
        3: ("bucket", "*Bucket"),
        5: ("schema", "sint32"),
        6: ("zero_threshold", "double"),
        7: ("zero_count", "uint64"),
        12: ("positive_span", "*BucketSpan"),
        13: ("positive_delta", "*sint64"),
        15: ("start_timestamp", "Timestamp"),
        16: ("exemplars", "*Exemplar"),
    },
    "Metric": {
        1: ("label", "*LabelPair"),
        2: ("gauge", "Gauge"),
        3: ("counter", "Counter"),
        7: ("histogram", "Histogram"),
    },
    "MetricFamily": {
        1: ("name", "string"),
        2: ("help", "string"),
        3: ("type", "int32"),
        4: ("metric", "*Metric"),
        5: ("unit", "string"),
    },
}


def schema():
    file = descriptor_pb2.FileDescriptorProto(name="metrics.proto", package=PACKAGE, syntax="proto2")
    for message, fields in MESSAGES.items():
        described = file.message_type.add(name=message)
        for number, (name, kind) in fields.items():
            field = described.field.add(name=name, number=number)
            repeated, kind = kind.startswith("*"), kind.removeprefix("*")
            field.label = field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL
            if kind in MESSAGES:
                field.type, field.type_name = field.TYPE_MESSAGE, f".{PACKAGE}.{kind}"
            else:
                field.type = getattr(field, f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = pool.FindMessageTypeByName(f"{PACKAGE}.MetricFamily")
    return message_factory.GetMessageClass(found)


MetricFamily = schema()


def varint(body, at):
    value = shift = 0
    while True:
        byte = body[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def families(body):
    """Each delimited message."""
    at = 0
    while at < len(body):
        length, at = varint(body, at)
        assert at + length <= len(body), "the last message is cut off"
        family = MetricFamily.FromString(body[at : at + length])
        # Whatever is not in the schema would be written back behind what is.
        known = MetricFamily.FromString(body[at : at + length])
        known.DiscardUnknownFields()
        assert known.ByteSize() == family.ByteSize(), f"{family.name} has fields that nobody knows"
        yield family
        at += length
