"""Parses a body of /metrics as strictly as the official Python client can, and prints its samples as JSON.

parse.py text|openmetrics [gzip] < body
"""

import gzip
import json
import sys

from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics_parser


def main():
    body = sys.stdin.buffer.read()
    if "gzip" in sys.argv[2:]:
        body = gzip.decompress(body)
    text = body.decode("utf-8")
    parse = {
        "text": parser.text_string_to_metric_families,
        "openmetrics": openmetrics_parser.text_string_to_metric_families,
    }[sys.argv[1]]
    samples = []
    exemplars = 0
    for family in parse(text):
        assert family.type != "unknown" and family.documentation, family
        for sample in family.samples:
            assert sample.timestamp is None, sample
            exemplars += sample.exemplar is not None
            samples.append([sample.name, sample.labels, repr(float(sample.value))])
    json.dump({"samples": samples, "exemplars": exemplars, "text": text}, sys.stdout)


main()
