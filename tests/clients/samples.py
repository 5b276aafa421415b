"""What a client has: samples by name and labels, and what it knows beside them."""

import dataclasses
import math


def key(name, labels):
    """Empty labels are none; bounds are numbers, however they are written."""
    kept = {label: value for label, value in labels.items() if value != ""}
    if "le" in kept:
        kept["le"] = repr(float(kept["le"]))
    return name, tuple(sorted(kept.items()))


def family(name, kind):
    """A family as OpenMetrics names it."""
    return name.removesuffix("_total") if kind == "counter" else name


@dataclasses.dataclass(frozen=True)
class Way:
    """One way in which a client scrapes. `look` takes an address and a directory, and returns what the client has."""

    name: str
    look: object
    # What the proxy asks for in the client's place.
    accept: str | None = None
    # It asks for protobuf, and so it looks at an exporter with native histograms as well.
    protobuf: bool = False
    # It takes them.
    native: bool = False


@dataclasses.dataclass(frozen=True)
class Exemplar:
    name: str
    labels: dict
    ids: dict
    value: float
    time: float | None


@dataclasses.dataclass
class Native:
    """A native histogram: how many values lie up to each upper bound, and since the bound before."""

    count: float
    sum: float
    buckets: dict


@dataclasses.dataclass
class Seen:
    """None where the client has no such thing; `cannot` says why."""

    samples: dict
    types: dict | None = None
    helps: dict | None = None
    exemplars: list | None = None
    native: dict | None = None
    # Quantile by q, of all durations of results together; of classic and of native histograms.
    quantiles: dict | None = None
    native_quantiles: dict | None = None
    # When each counter and histogram began, in Unix seconds.
    starts: dict | None = None
    # Series that have changed since.
    moved: set = dataclasses.field(default_factory=set)
    # What the client has not, and what it finds wrong.
    cannot: list = dataclasses.field(default_factory=list)
    problems: list = dataclasses.field(default_factory=list)

    def series(self):
        return len(self.samples) + len(self.native or {})


def same(left, right):
    return left == right or math.isclose(left, right, rel_tol=1e-12)
