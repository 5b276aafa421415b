"""What was really run, as the simulator says it, in the names of metrics."""

import collections
import math

from samples import key

RESULTS = "cloud_assistant_results_total"
RECENT = "cloud_assistant_recent_results"
DURATIONS = "cloud_assistant_result_duration_seconds"
COMMAND_RESULTS = "cloud_assistant_command_results_total"
COMMAND_DURATIONS = "cloud_assistant_command_result_duration_seconds"
DROPPED = "cloud_assistant_output_dropped_bytes_total"
DELIVERIES = "cloud_assistant_output_deliveries_total"
OPEN = ["Pending", "Running", "Stopping", "Scheduled"]
# What the configuration selects of the fleet's commands.
SELECTED = {"heartbeat", "restart-web", "patch-kernel"}
# Where nothing is configured.
BOUNDS = (1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0)
QUANTILES = (0.5, 0.9, 0.99)


class Truth:
    def __init__(self, settled, truth):
        self.results = []
        for scope in settled:
            place = {"account": scope["account"], "region_id": scope["region_id"]}
            self.results += [result | place for result in scope["results"]]
        self.counts = collections.Counter()
        # Seconds of each histogram, by its name and labels.
        self.seconds = collections.defaultdict(list)
        # What each counter and histogram has counted, for exemplars.
        self.of_series = collections.defaultdict(list)
        for result in self.results:
            self.count(result)
        for scope in truth["scopes"]:
            self.count_scope(scope)
        self.total = len(self.results)
        told = sum(scope["since_baseline"]["total"] for scope in truth["scopes"])
        assert self.total == told, f"the simulator lists {self.total} results, and counts {told}"

    def count(self, result):
        place = {name: result[name] for name in ("account", "region_id")}
        status = {"invocation_status": result["invocation_status"]}
        codes = {name: result[name] for name in ("error_code", "exit_code")}
        counters = [key(RESULTS, place | status | codes)]
        histograms = [key(DURATIONS, place | status)]
        if result["command"] in SELECTED:
            command = {"command": result["command"]}
            counters.append(key(COMMAND_RESULTS, place | command | status))
            histograms.append(key(COMMAND_DURATIONS, place | command))
        for counter in counters:
            self.counts[counter] += 1
            self.of_series[counter].append(result)
        if result["seconds"] is not None:
            for histogram in histograms:
                self.seconds[histogram].append(result["seconds"])
                self.of_series[histogram].append(result)

    def count_scope(self, scope):
        place = {"account": scope["account"], "region_id": scope["region_id"]}
        since = scope["since_baseline"]
        self.counts[key(DROPPED, place)] += since["dropped_bytes"]
        for delivery in since["deliveries"]:
            labels = {name: delivery[name] for name in ("delivery_status", "error_code")}
            self.counts[key(DELIVERIES, place | labels)] += delivery["count"]
        for status in OPEN:
            self.counts[key(RECENT, place | {"invocation_status": status})] += scope["truth"]["open"].get(status, 0)

    def expected(self, name, labels):
        """What a sample of a counter, of an open gauge or of a classic histogram must be; None if it is none of these."""
        if name in (RESULTS, COMMAND_RESULTS, DROPPED, DELIVERIES):
            return self.counts.get((name, labels), 0)
        if name == RECENT and dict(labels).get("invocation_status") in OPEN:
            return self.counts.get((name, labels), 0)
        for suffix in ("_bucket", "_count", "_sum"):
            if name in (DURATIONS + suffix, COMMAND_DURATIONS + suffix):
                of = name.removesuffix(suffix), tuple(label for label in labels if label[0] != "le")
                seconds = self.seconds.get(of, [])
                if suffix == "_sum":
                    return sum(seconds)
                bound = float(dict(labels).get("le", "inf"))
                return sum(1 for value in seconds if value <= bound)
        return None

    def must_have(self):
        """Series that nobody may lack, with a value above 0."""
        return {series for series, count in self.counts.items() if count}

    def all_seconds(self):
        return [value for (name, _), values in self.seconds.items() if name == DURATIONS for value in values]

    def rank(self, q):
        """The duration that a quantile of all durations of results together is about."""
        ordered = sorted(self.all_seconds())
        return ordered[max(math.ceil(q * len(ordered)), 1) - 1]

    def classic_quantile(self, q):
        """As histogram_quantile has it, by the documentation of Prometheus: even inside of a bucket."""
        seconds = self.all_seconds()
        rank, lower, before = q * len(seconds), 0.0, 0
        for bound in BOUNDS:
            within = sum(1 for value in seconds if value <= bound)
            if within >= rank:
                return lower + (bound - lower) * (rank - before) / (within - before)
            lower, before = bound, within
        return BOUNDS[-1]

    def native_bucket(self, q, schema=3):
        """The bucket of a native histogram that a quantile lies in: above the first, at most the second."""
        value = self.rank(q)
        if value == 0:
            return 0.0, 2.0**-128
        index = next(i for i in range(-64, 2_048) if value <= 2 ** (i / 2**schema) * (1 + 1e-12))
        return 2 ** ((index - 1) / 2**schema), 2 ** (index / 2**schema)
