"""The parsers of the official Python client, text and OpenMetrics."""

import gzip
import importlib.metadata

from process import get
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics_parser
from samples import Exemplar, Seen, Way, family, key

ACCEPT = {
    "text": "text/plain;version=0.0.4",
    "OpenMetrics": "application/openmetrics-text;version=1.0.0",
    "protobuf": "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
}
PARSE = {
    "text": parser.text_string_to_metric_families,
    "OpenMetrics": openmetrics_parser.text_string_to_metric_families,
}


def parsed(text, way):
    seen = Seen({}, {}, {}, [] if way == "OpenMetrics" else None)
    for one in PARSE[way](text):
        # The parser of text takes the suffix of counters off, as OpenMetrics has it.
        name = family(one.name, one.type)
        seen.types[name], seen.helps[name] = one.type, one.documentation
        for sample in one.samples:
            of = key(sample.name, sample.labels)
            if of in seen.samples:
                seen.problems.append(f"twice: {of}")
            seen.samples[of] = float(sample.value)
            if sample.timestamp is not None:
                seen.problems.append(f"a sample has a timestamp: {of}")
            if sample.exemplar is not None:
                one_of = sample.exemplar
                time = None if one_of.timestamp is None else float(one_of.timestamp)
                seen.exemplars.append(Exemplar(sample.name, sample.labels, one_of.labels, one_of.value, time))
    if seen.exemplars is None:
        seen.cannot.append("the format has no exemplars")
    seen.cannot.append("it has no queries")
    return seen


def fetch(address, way):
    """A scrape, and its content type."""
    body, headers = get(f"http://{address}/metrics", {"Accept": ACCEPT[way], "Accept-Encoding": "gzip"})
    if headers.get("Content-Encoding") == "gzip":
        body = gzip.decompress(body)
    return body, headers["Content-Type"]


def look(way):
    return lambda address, _: parsed(fetch(address, way)[0].decode("utf-8"), way)


def found():
    """The version, and its ways."""
    yield importlib.metadata.version("prometheus_client"), [Way(way, look(way)) for way in PARSE]
