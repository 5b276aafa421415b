"""What is wrong with what a client has: beside what was really run, and beside what the exporter shows as text."""

import collections
import math

from samples import key, same
from truth import COMMAND_DURATIONS, DURATIONS, QUANTILES, RESULTS

# Of the process itself, which does not stand still.
MOVING = "process_"
SHOWN = 4
SUFFIXES = ("_bucket", "_count", "_sum")


def problems(seen, reference, truth, wanted):
    """`wanted` names what this exporter offers in this format: exemplars, native."""
    found = list(seen.problems)
    if seen.samples is None:
        return found
    found += counts(seen, truth) + beside(seen, reference)
    if seen.types is not None:
        found += metadata("type", seen.types, reference.types)
    if seen.helps is not None:
        found += metadata("help", seen.helps, reference.helps)
    if seen.exemplars is not None:
        found += exemplars(seen.exemplars, truth, wanted)
    if seen.native:
        found += native(seen.native, truth)
    if "native" in wanted and not seen.native:
        found.append("no native histogram")
    if seen.quantiles is not None:
        found += classic_quantiles(seen, reference, truth)
    if seen.native_quantiles is not None:
        found += native_quantiles(seen.native_quantiles, truth)
    return found


def listed(what, problems):
    """Few of many."""
    more = len(problems) - SHOWN
    return [f"{what}: {one}" for one in problems[:SHOWN]] + ([f"{what}: {more} more"] if more > 0 else [])


def counts(seen, truth):
    wrong = []
    for (name, labels), value in seen.samples.items():
        expected = truth.expected(name, labels)
        # The gauge has a sample for each code too: their sum is what counts, and `beside` compares each.
        if expected is not None and not same(value, expected) and not name.endswith("recent_results"):
            wrong.append(f"{name} {dict(labels)} is {value}, and {expected} were run")
    lacking = [f"{of}" for of in truth.must_have() if of not in seen.samples]
    return listed("sum", wrong) + listed("lacking", lacking)


def beside(seen, reference):
    """Every other series is the one that the exporter shows as text."""
    # A scraper that takes the native part of a histogram leaves its classic part.
    native = {name for name, _ in seen.native or {}} - {name.removesuffix("_count") for name, _ in seen.samples}
    left = {name + suffix for name in native for suffix in SUFFIXES}
    infinite = ("le", "inf")
    no_infinity = not any(infinite in labels for _, labels in seen.samples)
    expected = {
        of: value
        for of, value in reference.samples.items()
        if of[0] not in left and not (no_infinity and infinite in of[1])
    }
    lacking = [str(of) for of in expected if of not in seen.samples]
    extra = [str(of) for of in seen.samples if of not in expected]
    other = [
        f"{of} is {seen.samples[of]} and not {value}"
        for of, value in expected.items()
        if of in seen.samples and not same(seen.samples[of], value) and not of[0].startswith(MOVING)
    ]
    return listed("lacking", lacking) + listed("extra", extra) + listed("value", other)


def metadata(what, seen, reference):
    wrong = [
        f"{name}: {seen.get(name)!r} and not {said!r}" for name, said in reference.items() if seen.get(name) != said
    ]
    return listed(what, wrong)


def exemplars(seen, truth, wanted):
    """Each leads to a result of its own series, than which none is newer; each series with a failure has one."""
    wrong, having = [], collections.Counter()
    for exemplar in seen:
        in_bucket = exemplar.name.endswith("_bucket")
        of = series_of(exemplar)
        having[exemplar.name, of[1]] += 1
        led = [
            result
            for result in truth.of_series.get(of, [])
            if exemplar.ids == {name: result[name] for name in ("invoke_id", "instance_id")}
            # A result without a time has that of its nearest neighbour in the list.
            and (result["time"] is None or exemplar.time == result["time"])
        ]
        if in_bucket or exemplar.name in (DURATIONS, COMMAND_DURATIONS):
            led = [result for result in led if result["seconds"] == exemplar.value]
            if in_bucket and exemplar.value > float(exemplar.labels["le"]):
                led = []
        elif exemplar.value != 1:
            led = []
        if not led:
            wrong.append(f"{exemplar} leads nowhere")
    if "exemplars" in wanted:
        for (name, labels), results in truth.of_series.items():
            if name != RESULTS or dict(labels)["invocation_status"] == "Success":
                continue
            if not having[name, labels]:
                wrong.append(f"{name} {dict(labels)} has none")
            shown = [e.time for e in seen if (e.name, series_of(e)[1]) == (name, labels)]
            times = [result["time"] for result in results]
            if shown and None not in times and max(shown) != max(times):
                wrong.append(f"{name} {dict(labels)}: the newest is of {max(times)}, and not of {max(shown)}")
    return listed("exemplar", wrong)


def series_of(exemplar):
    labels = {name: value for name, value in exemplar.labels.items() if name != "le"}
    return key(exemplar.name.removesuffix("_bucket"), labels)


def native(seen, truth):
    """Count, sum and every bucket of each native histogram."""
    wrong = []
    for of, histogram in seen.items():
        seconds = truth.seconds.get(of, [])
        if histogram.count != len(seconds) or histogram.sum != sum(seconds):
            wrong.append(
                f"{of} has {histogram.count} with sum {histogram.sum}: {len(seconds)}, {sum(seconds)} were run"
            )
        for (lower, upper), count in histogram.buckets.items():
            # The bucket of zero reaches below it.
            within = sum(
                1 for value in seconds if lower < value <= upper or value == 0 == max(lower, 0.0) and upper < 1
            )
            if count != within:
                wrong.append(f"{of} has {count} in ({lower}, {upper}], and {within} were run")
        if sum(histogram.buckets.values()) != histogram.count:
            wrong.append(f"{of}: buckets with {sum(histogram.buckets.values())}, and not {histogram.count}")
    lacking = [f"no native histogram of {of}" for of in truth.seconds if of not in seen]
    return listed("native", wrong + lacking)


def classic_quantiles(seen, reference, truth):
    bounds = {float(dict(labels)["le"]) for name, labels in reference.samples if name == DURATIONS + "_bucket"}
    bounds = sorted(bounds - {math.inf})
    expected = {q: truth.classic_quantile(q, bounds) for q in QUANTILES}
    return [
        f"quantile {q} is {seen.quantiles.get(q)} and not {value}"
        for q, value in expected.items()
        if not math.isclose(seen.quantiles.get(q, math.nan), value, rel_tol=1e-9)
    ]


def native_quantiles(seen, truth):
    """Each lies in the bucket of the duration that it is about."""
    wrong = []
    for q in QUANTILES:
        lower, upper = truth.native_bucket(q)
        if not lower <= seen.get(q, math.nan) <= upper:
            wrong.append(f"native quantile {q} is {seen.get(q)}, and the duration of that rank is {truth.rank(q)}")
    return wrong
