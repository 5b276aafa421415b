"""That what is wrong is found: what a client has, with one thing changed, is not as it should be."""

import copy
import dataclasses

import compare
from truth import DURATIONS, RESULTS


def changes(seen, truth):
    """(what is changed, how) for everything that this client has."""
    counter = next(of for of, value in seen.samples.items() if of[0] == RESULTS and value)
    bucket = next(of for of, value in seen.samples.items() if of[0] == f"{DURATIONS}_bucket" and value)
    own = next(of for of in seen.samples if of[0] == "cloud_assistant_exporter_build_info")

    def more(of):
        return lambda seen: seen.samples.update({of: seen.samples[of] + 1})

    yield "a counter", more(counter)
    yield "a bucket", more(bucket)
    yield "a series of the exporter itself", more(own)
    yield "a series that is lost", lambda seen: seen.samples.pop(counter)
    yield "a series too many", lambda seen: seen.samples.update({("x", ()): 1.0})
    yield "a type", lambda seen: seen.types.update({DURATIONS: "gauge"})
    yield "a help", lambda seen: seen.helps.update({DURATIONS: ""})
    for part, of in (("ids", {"invoke_id": "t-0", "instance_id": "i-0"}), ("time", 1.0), ("value", 7.5)):
        yield f"an exemplar's {part}", exemplar(**{part: of})
    yield "an exemplar in another bucket", other_bucket
    yield "exemplars that are lost", lambda seen: seen.exemplars.clear()
    if seen.native:
        yield "a native count", native(lambda one: setattr(one, "count", one.count + 1))
        yield "a native sum", native(lambda one: setattr(one, "sum", one.sum + 1))
        yield "a native bucket that moves", native(move)
        yield "a native histogram that is lost", lambda seen: seen.native.popitem()
    yield "a quantile", lambda seen: setattr(seen, "quantiles", {0.5: 1e9})
    yield "a native quantile", lambda seen: setattr(seen, "native_quantiles", dict.fromkeys((0.5, 0.9, 0.99), 1e9))


def exemplar(**other):
    def change(seen):
        seen.exemplars[0] = dataclasses.replace(seen.exemplars[0], **other)

    return change


def other_bucket(seen):
    at = next(at for at, one in enumerate(seen.exemplars) if one.name.endswith("_bucket"))
    one = seen.exemplars[at]
    seen.exemplars[at] = dataclasses.replace(one, labels=one.labels | {"le": "7200.0"})


def native(change):
    return lambda seen: change(next(one for one in seen.native.values() if one.buckets))


def move(one):
    (lower, upper), count = one.buckets.popitem()
    one.buckets[upper * 64, upper * 65] = count


def not_found(seen, reference, truth, wanted):
    """The changes that nobody notices; how many were made."""
    made, missed = 0, []
    for what, change in changes(seen, truth):
        changed = copy.deepcopy(seen)
        change(changed)
        made += 1
        if not compare.problems(changed, reference, truth, wanted):
            missed.append(what)
    return made, missed
