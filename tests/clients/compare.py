"""What is wrong with what a client has: beside what was really run, and beside what the exporter shows as text."""

import collections
import math

from samples import key, same
from truth import BOUNDS, COMMAND_DURATIONS, DURATIONS, QUANTILES, RESULTS

# Of the process itself.
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
        found += native(seen.native, reference, truth)
    if "native" in wanted and not seen.native:
        found.append("no native histogram")
    if seen.quantiles is not None:
        found += classic_quantiles(seen, truth)
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
        if of in seen.samples and not same(seen.samples[of], value)
        if of not in reference.moved and not of[0].startswith(MOVING)
    ]
    return listed("lacking", lacking) + listed("extra", extra) + listed("value", other)


def metadata(what, seen, reference):
    wrong = [
        f"{name}: {seen.get(name)!r} and not {said!r}" for name, said in reference.items() if seen.get(name) != said
    ]
    return listed(what, wrong)


def exemplars(seen, truth, wanted):
    """Each leads to a result of its own series, and of its own bucket; none of a failure is newer than the newest shown."""
    wrong, newest = [], {}
    for exemplar in seen:
        of = series_of(exemplar)
        in_bucket = bucket_of(exemplar.value) if exemplar.name.endswith("_bucket") else None
        leads = [result for result in truth.of_series.get(of, []) if leads_to(exemplar, result)]
        if not leads or (in_bucket is not None and in_bucket != float(exemplar.labels["le"])):
            wrong.append(f"{exemplar} leads nowhere")
        newest[of, in_bucket] = max(exemplar.time, newest.get((of, in_bucket), 0))
    if "exemplars" in wanted:
        in_buckets = any(bucket is not None for _, bucket in newest)
        for of, results in failures(truth, in_buckets).items():
            times = [result["time"] for result in results]
            if of not in newest:
                wrong.append(f"{of} has none")
            elif None not in times and newest[of] != max(times):
                wrong.append(f"{of}: the newest is of {max(times)}, and not of {newest[of]}")
        if "buckets" in wanted and not in_buckets:
            wrong.append("no bucket has one")
    return listed("exemplar", wrong)


def leads_to(exemplar, result):
    ids = {name: result[name] for name in ("invoke_id", "instance_id")}
    value = 1 if exemplar.name.endswith("_total") else result["seconds"]
    # A result without a time has that of its nearest neighbour in the list.
    return (exemplar.ids, exemplar.value) == (ids, value) and result["time"] in (None, exemplar.time)


def bucket_of(value):
    return next((bound for bound in BOUNDS if value <= bound), math.inf)


def failures(truth, in_buckets):
    """What has failed, by its counter and by its bucket of durations: of these the exporter always keeps the ids."""
    found = collections.defaultdict(list)
    for (name, labels), results in truth.of_series.items():
        for result in results if dict(labels).get("invocation_status", "Success") != "Success" else []:
            if name == RESULTS:
                found[(name, labels), None].append(result)
            elif name == DURATIONS and in_buckets:
                found[(name, labels), bucket_of(result["seconds"])].append(result)
    return found


def series_of(exemplar):
    labels = {name: value for name, value in exemplar.labels.items() if name != "le"}
    return key(exemplar.name.removesuffix("_bucket"), labels)


def native(seen, reference, truth):
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
    # Those without a value are among them.
    counts = {f"{name}_count": name for name in (DURATIONS, COMMAND_DURATIONS)}
    wanted = [(counts[name], labels) for name, labels in reference.samples if name in counts]
    lacking = [f"no native histogram of {of}" for of in wanted if of not in seen]
    return listed("native", wrong + lacking)


def classic_quantiles(seen, truth):
    expected = {q: truth.classic_quantile(q) for q in QUANTILES}
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
