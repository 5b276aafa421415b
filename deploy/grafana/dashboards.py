#!/usr/bin/env python3
"""Writes the three dashboards to dashboards/*.json; needs nothing but Python.

Change a dashboard here, run this file, and commit both: `deploy/check` compares them, checks the JSON against Grafana's
own types and the rules of the dashboard linter, and parses each query.
"""

import json
from pathlib import Path

TARGET = 'job=~"$job", instance=~"$instance"'
ACCOUNT = f'{TARGET}, account=~"$account"'
SCOPE = f'{ACCOUNT}, region_id=~"$region_id"'
FAILED = 'invocation_status=~"Failed|Error|Timeout|Aborted|Invalid"'
ATTEMPTED = 'invocation_status!~"Cancelled|Terminated"'
SUCCESS = 'invocation_status="Success"'
EXITED = 'invocation_status="Failed"'
# A schedule is open for as long as it lives.
OPEN = 'invocation_status=~"Pending|Running|Stopping"'
UNSETTLED = 'invocation_status=~"Pending|Running|Stopping|Scheduled"'
BY_STATUS = "account_region_id_invocation_status:cloud_assistant_results"
RATIO = "account_region_id:cloud_assistant_failures_per_results:ratio_rate1h"
THROTTLED = 'reason="throttled"'
BUILD = "cloud_assistant_exporter_build_info"
# Of an exporter alone the second is empty.
REPLICA = "{{instance}} {{replica}}"

GREEN, YELLOW, ORANGE, RED, BLUE = "green", "yellow", "orange", "red", "blue"
STATUS_COLOURS = {
    "Success": GREEN,
    "Failed": RED,
    "Error": "dark-red",
    "Timeout": ORANGE,
    "Aborted": "purple",
    "Invalid": "light-red",
    "Cancelled": "light-blue",
    "Terminated": BLUE,
    "Pending": "light-yellow",
    "Running": YELLOW,
    "Stopping": "light-orange",
    "Scheduled": "semi-dark-yellow",
}
LEADS = [
    {
        "type": "value",
        "options": {"0": {"text": "stands by", "color": BLUE}, "1": {"text": "leads", "color": GREEN}},
    }
]
UP_DOWN = [{"type": "value", "options": {"0": {"text": "failing", "color": RED}, "1": {"text": "up", "color": GREEN}}}]


def selector(metric, *matchers, scope=SCOPE):
    return f"{metric}{{{', '.join((scope, *matchers))}}}"


def failure_ratio(offset=""):
    """Over all that is selected, so that the scopes are weighed by their results."""
    return (
        f"sum({selector(f'{BY_STATUS}:rate1h', FAILED)}{offset})"
        f" / (sum({selector(f'{BY_STATUS}:rate1h', ATTEMPTED)}{offset}) > 0)"
    )


def or_zero(expr):
    """A scope that has never listed a result has no series of results; where exporters run, nothing is none."""
    return f"{expr} or 0 * count({selector('cloud_assistant_up')})"


def of_replicas(metric):
    """Of an exporter without others, what a replica that leads shows: it has its record to itself."""
    alone = f"{selector(BUILD, scope=TARGET)} unless on (job, instance) {selector(metric, scope=TARGET)}"
    return f"max by (instance, replica) ({selector(metric, scope=TARGET)} or {alone})"


# A graph of more lines cannot be read.
MOST = 20
SCOPES, SCOPE_NAME = "account, region_id", "{{account}} {{region_id}}"


def most(expr, ranked, *, pick="topk"):
    """Only the lines that the selected time has most of (or least, with bottomk): the same at each step of a graph, as
    they are chosen at its end."""
    return f"{expr} and {pick}({MOST}, {ranked})"


def in_range(function, metric, *matchers, scope=SCOPE):
    """A function over the whole of the selected time, whichever step of it is drawn."""
    return f"{function}({selector(metric, *matchers, scope=scope)}[$__range] @ end())"


# === Panels ===


def thresholds(*steps):
    """steps: colour, then value and colour in turn."""
    base, rest = steps[0], steps[1:]
    return {
        "mode": "absolute",
        "steps": [{"color": base, "value": None}]
        + [{"color": colour, "value": value} for value, colour in zip(rest[::2], rest[1::2], strict=True)],
    }


def query(expr, legend="", *, instant=False, table=False, heatmap=False, exemplar=False):
    target = {"expr": expr, "legendFormat": legend or "__auto", "instant": instant, "range": not instant}
    if table or heatmap:
        target["format"] = "table" if table else "heatmap"
    if exemplar:
        target["exemplar"] = True
    return target


def colour_by(field_values):
    return [
        {
            "matcher": {"id": "byName", "options": name},
            "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}],
        }
        for name, colour in field_values.items()
    ]


def panel(kind, title, description, targets, *, unit, size, options, defaults=None, overrides=None, **more):
    if isinstance(targets, str):
        targets = [query(targets)]
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": {"type": "prometheus", "uid": "$datasource"},
        "gridPos": {"w": size[0], "h": size[1]},
        # The shortest step: with it $__rate_interval spans at least two polls of 60 s.
        "interval": "2m",
        "targets": [t | {"refId": chr(ord("A") + i)} for i, t in enumerate(targets)],
        "fieldConfig": {"defaults": {"unit": unit} | (defaults or {}), "overrides": overrides or []},
        "options": options,
        **more,
    }


def stat(title, description, expr, *, unit="short", steps=(BLUE,), decimals=None, size=(4, 4), mappings=None):
    defaults = {"thresholds": thresholds(*steps), "color": {"mode": "thresholds"}}
    if decimals is not None:
        defaults["decimals"] = decimals
    if mappings:
        defaults["mappings"] = mappings
    return panel(
        "stat",
        title,
        description,
        [query(expr, instant=True)],
        unit=unit,
        size=size,
        defaults=defaults,
        options={
            "reduceOptions": {"values": False, "calcs": ["lastNotNull"], "fields": ""},
            "colorMode": "value",
            "graphMode": "none",
            "textMode": "value",
            "justifyMode": "auto",
            "orientation": "auto",
        },
    )


def graph(
    title, description, targets, *, unit, size=(12, 8), bars=False, steps=None, overrides=None, ratio=False, log=False
):
    custom = {"lineWidth": 1, "fillOpacity": 10, "showPoints": "never", "spanNulls": False}
    if bars:
        custom |= {"drawStyle": "bars", "fillOpacity": 80, "stacking": {"mode": "normal", "group": "A"}}
    defaults = {"custom": custom, "color": {"mode": "palette-classic"}}
    if log:
        custom["scaleDistribution"] = {"type": "log", "log": 10}
    else:
        defaults["min"] = 0
    if ratio:
        defaults["max"] = 1
    if steps:
        defaults["thresholds"] = thresholds(*steps)
        custom["thresholdsStyle"] = {"mode": "dashed"}
    return panel(
        "timeseries",
        title,
        description,
        targets,
        unit=unit,
        size=size,
        defaults=defaults,
        overrides=overrides,
        options={
            "legend": {
                "displayMode": "table",
                "placement": "right",
                "showLegend": True,
                "calcs": ["lastNotNull", "max"],
                "sortBy": "Max",
                "sortDesc": True,
            },
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    )


def timeline(title, description, expr, legend, *, unit, steps, size=(24, 8), mappings=None):
    defaults = {
        "color": {"mode": "thresholds"},
        "thresholds": thresholds(*steps),
        "custom": {"lineWidth": 0, "fillOpacity": 70},
    }
    if mappings:
        defaults["mappings"] = mappings
    return panel(
        "state-timeline",
        title,
        description,
        [query(expr, legend)],
        unit=unit,
        size=size,
        defaults=defaults,
        options={
            "showValue": "never",
            "rowHeight": 0.8,
            "mergeValues": True,
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
            "tooltip": {"mode": "single", "sort": "none"},
        },
    )


def ranking(title, description, expr, legend, *, unit="short", size=(12, 8), steps=(ORANGE,)):
    return panel(
        "bargauge",
        title,
        description,
        [query(expr, legend, instant=True)],
        unit=unit,
        size=size,
        defaults={"thresholds": thresholds(*steps), "color": {"mode": "thresholds"}, "min": 0, "decimals": 0},
        options={
            "reduceOptions": {"values": False, "calcs": ["lastNotNull"], "fields": ""},
            "displayMode": "basic",
            "orientation": "horizontal",
            "showUnfilled": True,
            "valueMode": "color",
        },
    )


def table(title, description, columns, labels, *, size=(24, 9), link=None):
    """columns: (heading, expression, unit, thresholds) each; labels: those that make a row."""
    overrides = []
    for heading, _, unit, steps in columns:
        properties = [{"id": "unit", "value": unit}]
        if steps:
            properties += [
                {"id": "thresholds", "value": thresholds(*steps)},
                {"id": "color", "value": {"mode": "thresholds"}},
                {"id": "custom.cellOptions", "value": {"type": "color-text"}},
            ]
        overrides.append({"matcher": {"id": "byName", "options": heading}, "properties": properties})
    if link:
        column, text, url = link
        properties = [{"id": "links", "value": [{"title": text, "url": url}]}]
        overrides.append({"matcher": {"id": "byName", "options": column}, "properties": properties})
    # Grafana names the value of a lone query Value, and those of several Value #A, Value #B and so on.
    fields = ["Value"] if len(columns) == 1 else [f"Value #{chr(ord('A') + i)}" for i in range(len(columns))]
    headings = {field: heading for field, (heading, *_) in zip(fields, columns, strict=True)}
    order = {name: i for i, name in enumerate([*labels, *fields])}
    return panel(
        "table",
        title,
        description,
        [query(expr, instant=True, table=True) for _, expr, *_ in columns],
        unit="short",
        size=size,
        defaults={"custom": {"filterable": True}, "decimals": 0},
        overrides=overrides,
        options={"showHeader": True, "cellHeight": "sm", "sortBy": [{"displayName": columns[0][0], "desc": True}]},
        transformations=[
            {"id": "merge", "options": {}},
            {
                "id": "organize",
                "options": {"excludeByName": {"Time": True}, "indexByName": order, "renameByName": headings},
            },
        ],
    )


HEATMAP = {
    "calculate": False,
    "cellGap": 1,
    "color": {
        "mode": "scheme",
        "scheme": "Oranges",
        "steps": 64,
        "fill": "dark-orange",
        "exponent": 0.5,
        "reverse": False,
    },
    "yAxis": {"axisPlacement": "left", "unit": "s"},
    "legend": {"show": True},
    "showValue": "never",
    "tooltip": {"mode": "single", "yHistogram": True},
    "exemplars": {"color": "rgba(255,0,255,0.7)"},
}


def row(title, *panels, collapsed=False):
    return title, panels, collapsed


def layout(rows):
    """Places panels from left to right and numbers them; panels of a collapsed row live inside it."""
    placed, y, number = [], 0, 1
    for title, panels, collapsed in rows:
        head = {"type": "row", "title": title, "collapsed": collapsed, "id": number, "panels": []}
        head["gridPos"] = {"x": 0, "y": y, "w": 24, "h": 1}
        placed.append(head)
        x, y, height, number = 0, y + 1, 0, number + 1
        for p in panels:
            size = p["gridPos"]
            if x + size["w"] > 24:
                x, y, height = 0, y + height, 0
            (head["panels"] if collapsed else placed).append(p | {"id": number, "gridPos": {"x": x, "y": y} | size})
            x, height, number = x + size["w"], max(height, size["h"]), number + 1
        y += height
    return placed


# === Dashboards ===


def variable(name, label, metric, all_value=".*"):
    return {
        "type": "query",
        "name": name,
        "label": label,
        "datasource": {"type": "prometheus", "uid": "$datasource"},
        "query": {"query": f"label_values({metric}, {name})", "refId": name},
        "multi": True,
        "includeAll": True,
        "allValue": all_value,
        "refresh": 2,
        "sort": 1,
        "current": {"text": ["All"], "value": ["$__all"]},
    }


VARIABLES = [
    {"type": "datasource", "name": "datasource", "label": "Data source", "query": "prometheus"},
    variable("job", "Job", BUILD, ".+"),
    variable("instance", "Instance", f'{BUILD}{{job=~"$job"}}', ".+"),
    variable("account", "Account", f"cloud_assistant_up{{{TARGET}}}"),
    variable("region_id", "Region", f'cloud_assistant_up{{{TARGET}, account=~"$account"}}'),
]
# Those of the rules are Prometheus's own: they have no target, and an alert about a missing one has no instance.
ALERT_LABELS = "alertname, severity, account, region_id, command, error_code, instance"
OF_RULES = 'alertname=~"CloudAssistant.+", account=~"$account", region_id=~"$region_id"'
FIRING = f'ALERTS_FOR_STATE{{{OF_RULES}}} and ignoring (alertstate) ALERTS{{{OF_RULES}, alertstate="firing"}}'
REGION_URL = (
    "/d/cloud-assistant-region?${datasource:queryparam}&${job:queryparam}&${instance:queryparam}&${__url_time_range}"
)


def dashboard(uid, title, description, rows, *, variables=(), time="now-24h"):
    return {
        "uid": uid,
        "title": f"Cloud Assistant / {title}",
        "description": description,
        "tags": ["cloud-assistant"],
        "schemaVersion": 39,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "1m",
        "time": {"from": time, "to": "now"},
        "timezone": "browser",
        "links": [
            {
                "type": "dashboards",
                "title": "Cloud Assistant",
                "tags": ["cloud-assistant"],
                "asDropdown": False,
                "includeVars": True,
                "keepTime": True,
                "targetBlank": False,
                "icon": "external link",
                "tooltip": "",
                "url": "",
            }
        ],
        "templating": {"list": [*VARIABLES, *variables]},
        "panels": layout(rows),
    }


def overview():
    results = "cloud_assistant_results_total"
    per_scope = "sum by (account, region_id)"
    return dashboard(
        "cloud-assistant-overview",
        "Overview",
        "What fails, where, since when, and against last week. Data is polled from Alibaba Cloud, by default each minute.",
        [
            row(
                "Now",
                stat(
                    "Results",
                    "Results that settled in the selected time.",
                    or_zero(f"sum(increase({selector(results)}[$__range]))"),
                    decimals=0,
                ),
                stat(
                    "Failures",
                    "Results in the selected time that ended Failed, Error, Timeout, Aborted or Invalid.",
                    or_zero(f"sum(increase({selector(results, FAILED)}[$__range]))"),
                    steps=(GREEN, 1, ORANGE),
                    decimals=0,
                ),
                stat(
                    "Failure ratio, last hour",
                    "Failures as a share of the results that nobody cancelled or stopped.",
                    failure_ratio(),
                    unit="percentunit",
                    steps=(GREEN, 0.1, ORANGE, 0.3, RED),
                    decimals=1,
                ),
                stat(
                    "Failure ratio a week ago",
                    "The same hour of last week, to compare.",
                    failure_ratio(" offset 1w"),
                    unit="percentunit",
                    steps=(BLUE,),
                    decimals=1,
                ),
                stat(
                    "Open results",
                    "Results that are Pending, Running or Stopping now.",
                    or_zero(f"sum({selector('cloud_assistant_recent_results', OPEN)})"),
                    decimals=0,
                ),
                stat(
                    "Scopes failing",
                    "Accounts in regions whose last poll failed: their numbers stand still.",
                    f"sum(1 - {selector('cloud_assistant_up')})",
                    steps=(GREEN, 1, RED),
                    decimals=0,
                ),
            ),
            row(
                "Alerts",
                table(
                    "Alerts that fire",
                    "The alerts of deploy/prometheus/alerts.rules.yml that fire now, the oldest first; none is an empty table.",
                    [("Fires for", f"time() - max by ({ALERT_LABELS}) ({FIRING})", "s", None)],
                    ALERT_LABELS.split(", "),
                    size=(24, 6),
                    link=(
                        "region_id",
                        "Region and errors",
                        f"{REGION_URL}&var-account=${{__data.fields.account}}&var-region_id=${{__data.fields.region_id}}",
                    ),
                ),
            ),
            row(
                "What fails",
                graph(
                    "Results by status",
                    "Results that settled, per minute.",
                    [
                        query(
                            f"60 * sum by (invocation_status) (rate({selector(results)}[$__rate_interval]))",
                            "{{invocation_status}}",
                        )
                    ],
                    unit="cpm",
                    bars=True,
                    overrides=colour_by(STATUS_COLOURS),
                ),
                graph(
                    "Failure ratio",
                    "Failures as a share of the results that nobody stopped, over one hour, and the same a week ago.",
                    [query(failure_ratio(), "now"), query(failure_ratio(" offset 1w"), "a week ago")],
                    unit="percentunit",
                    steps=("transparent", 0.1, ORANGE, 0.3, RED),
                    overrides=colour_by({"now": RED, "a week ago": "gray"}),
                ),
                ranking(
                    "Failures by error code",
                    "Failures in the selected time by error code; an exit code that is not zero is ExitCodeNonzero.",
                    f"topk(10, sum by (invocation_status, error_code) (increase({selector(results, FAILED)}[$__range])) > 0)",
                    "{{invocation_status}} {{error_code}}",
                ),
                ranking(
                    "Failures by exit code",
                    "Failed results in the selected time by the exit code of the command.",
                    f"topk(10, sum by (exit_code) (increase({selector(results, EXITED)}[$__range])) > 0)",
                    "exit code {{exit_code}}",
                ),
            ),
            row(
                "Where, and since when",
                table(
                    "Accounts and regions",
                    "Each scope in the selected time: its results, and the age of its data since the last good poll. The region opens its details.",
                    [
                        (
                            "Failures",
                            f"{per_scope} (increase({selector(results, FAILED)}[$__range]))",
                            "short",
                            (GREEN, 1, ORANGE),
                        ),
                        (
                            "Failures a week ago",
                            f"{per_scope} (increase({selector(results, FAILED)}[$__range] offset 1w))",
                            "short",
                            None,
                        ),
                        ("Results", f"{per_scope} (increase({selector(results)}[$__range]))", "short", None),
                        (
                            "Failure ratio, last hour",
                            f"{per_scope} ({selector(RATIO)})",
                            "percentunit",
                            (GREEN, 0.1, ORANGE, 0.3, RED),
                        ),
                        (
                            "Last failed result",
                            f"time() - max by (account, region_id) ({selector('cloud_assistant_last_result_timestamp_seconds', FAILED)})",
                            "s",
                            None,
                        ),
                        (
                            "Last good result",
                            f"time() - max by (account, region_id) ({selector('cloud_assistant_last_result_timestamp_seconds', SUCCESS)})",
                            "s",
                            None,
                        ),
                        (
                            "Last good poll",
                            f"time() - max by (account, region_id) ({selector('cloud_assistant_last_success_timestamp_seconds')})",
                            "s",
                            (GREEN, 600, ORANGE, 3600, RED),
                        ),
                    ],
                    ["account", "region_id"],
                    link=(
                        "region_id",
                        "Region and errors",
                        f"{REGION_URL}&var-account=${{__data.fields.account}}&var-region_id=${{__data.fields.region_id}}",
                    ),
                ),
                timeline(
                    "Failure ratio by scope",
                    "Since when a scope fails: its failure ratio over one hour, of the 20 scopes that failed most. A gap is an hour without results.",
                    most(
                        f"max by ({SCOPES}) ({selector(RATIO)})",
                        f"max by ({SCOPES}) ({in_range('max_over_time', RATIO)})",
                    ),
                    SCOPE_NAME,
                    unit="percentunit",
                    steps=(GREEN, 0.1, ORANGE, 0.3, RED),
                ),
            ),
            row(
                "Against last week",
                graph(
                    "Failures against last week",
                    "Failures per minute, and the same time last week.",
                    [
                        query(f"60 * sum(rate({selector(results, FAILED)}[$__rate_interval]))", "now"),
                        query(f"60 * sum(rate({selector(results, FAILED)}[$__rate_interval] offset 1w))", "a week ago"),
                    ],
                    unit="cpm",
                    overrides=colour_by({"now": RED, "a week ago": "gray"}),
                ),
                graph(
                    "Results against last week",
                    "Results per minute, and the same time last week.",
                    [
                        query(f"60 * sum(rate({selector(results)}[$__rate_interval]))", "now"),
                        query(f"60 * sum(rate({selector(results)}[$__rate_interval] offset 1w))", "a week ago"),
                    ],
                    unit="cpm",
                    overrides=colour_by({"now": BLUE, "a week ago": "gray"}),
                ),
            ),
        ],
    )


def region():
    results = "cloud_assistant_results_total"
    status = 'invocation_status=~"$invocation_status"'
    duration = "cloud_assistant_result_duration_seconds"
    command = 'command=~"$command"'

    def quantile(q):
        return query(
            f"histogram_quantile({q}, sum by (le) (rate({selector(f'{duration}_bucket', status)}[$__rate_interval])))",
            f"p{int(q * 100)}",
        )

    return dashboard(
        "cloud-assistant-region",
        "Region and errors",
        "Statuses, error codes, exit codes and durations of the chosen accounts and regions, with exemplars that name the machine.",
        [
            row(
                "Errors",
                graph(
                    "Failures by error code",
                    "Failures per minute of the 20 most frequent codes. A dot is an exemplar: it names the invocation and the instance of one such result.",
                    [
                        query(
                            most(
                                f"60 * sum by (invocation_status, error_code, exit_code) (rate({selector(results, FAILED, status)}[$__rate_interval]))",
                                f"sum by (invocation_status, error_code, exit_code) ({in_range('increase', results, FAILED, status)})",
                            ),
                            "{{invocation_status}} {{error_code}} {{exit_code}}",
                            exemplar=True,
                        )
                    ],
                    unit="cpm",
                    size=(24, 9),
                ),
                table(
                    "Combinations",
                    "Results in the selected time by status, error code and exit code, and the same time last week.",
                    [
                        (
                            "Results",
                            f"sum by (invocation_status, error_code, exit_code) (increase({selector(results, status)}[$__range])) > 0",
                            "short",
                            None,
                        ),
                        (
                            "A week ago",
                            f"sum by (invocation_status, error_code, exit_code) (increase({selector(results, status)}[$__range] offset 1w)) > 0",
                            "short",
                            None,
                        ),
                    ],
                    ["invocation_status", "error_code", "exit_code"],
                    size=(12, 9),
                ),
                table(
                    "In the window now",
                    "Results in the look-back window (poll.window, 24 h unless configured) by their newest state.",
                    [
                        (
                            "Results",
                            f"sum by (invocation_status, error_code, exit_code) ({selector('cloud_assistant_recent_results', status)}) > 0",
                            "short",
                            None,
                        )
                    ],
                    ["invocation_status", "error_code", "exit_code"],
                    size=(12, 9),
                ),
            ),
            row(
                "Durations",
                panel(
                    "heatmap",
                    "Durations",
                    "How long results took from start to end, by bucket.",
                    [
                        query(
                            f"sum by (le) (increase({selector(f'{duration}_bucket', status)}[$__rate_interval]))",
                            "{{le}}",
                            heatmap=True,
                        )
                    ],
                    unit="short",
                    size=(12, 9),
                    options=HEATMAP,
                ),
                graph(
                    "Duration quantiles",
                    "How long results took; the widest bucket bounds what can be seen.",
                    [quantile(q) for q in (0.5, 0.9, 0.99)],
                    unit="s",
                    size=(12, 9),
                ),
            ),
            row(
                "Open results",
                graph(
                    "Open results by status",
                    "Results that have not settled.",
                    [
                        query(
                            f"sum by (invocation_status) ({selector('cloud_assistant_recent_results', UNSETTLED)})",
                            "{{invocation_status}}",
                        )
                    ],
                    unit="short",
                    overrides=colour_by(STATUS_COLOURS),
                ),
                graph(
                    "Oldest open result",
                    "Age of the oldest open result, with the alert's limits: Pending and Stopping 30 minutes, Running 6 hours. Scheduled ones live as long as their schedule and are left out.",
                    [
                        query(
                            f"time() - min by (invocation_status) ({selector('cloud_assistant_oldest_open_result_timestamp_seconds', OPEN)})",
                            "{{invocation_status}}",
                        )
                    ],
                    unit="s",
                    steps=("transparent", 1800, ORANGE, 21600, RED),
                    overrides=colour_by(STATUS_COLOURS),
                ),
            ),
            row(
                "Output and losses",
                graph(
                    "Output dropped",
                    "Bytes of output that Cloud Assistant discarded beyond 24 KB of a result, of the 20 scopes with most.",
                    [
                        query(
                            most(
                                f"sum by ({SCOPES}) (rate({selector('cloud_assistant_output_dropped_bytes_total')}[$__rate_interval]))",
                                f"sum by ({SCOPES}) ({in_range('increase', 'cloud_assistant_output_dropped_bytes_total')})",
                            ),
                            SCOPE_NAME,
                        )
                    ],
                    unit="Bps",
                    size=(8, 8),
                ),
                graph(
                    "Deliveries to OSS",
                    "Deliveries of output to OSS per minute, by outcome.",
                    [
                        query(
                            f"60 * sum by (delivery_status, error_code) (rate({selector('cloud_assistant_output_deliveries_total')}[$__rate_interval]))",
                            "{{delivery_status}} {{error_code}}",
                        )
                    ],
                    unit="cpm",
                    size=(8, 8),
                ),
                graph(
                    "Results lost",
                    "Open results that the API no longer lists, in the hour before, of the 20 scopes with most: how they ended is unknown.",
                    [
                        query(
                            most(
                                f"sum by ({SCOPES}) (increase({selector('cloud_assistant_lost_results_total')}[1h]))",
                                f"sum by ({SCOPES}) ({in_range('increase', 'cloud_assistant_lost_results_total')})",
                            ),
                            SCOPE_NAME,
                        )
                    ],
                    unit="short",
                    size=(8, 8),
                    steps=("transparent", 1, RED),
                ),
            ),
            row(
                "Selected commands",
                graph(
                    "Failures by command",
                    "Failures per minute of the commands that metrics.commands selects, of the 20 that fail most.",
                    [
                        query(
                            most(
                                f"60 * sum by (command) (rate({selector('cloud_assistant_command_results_total', FAILED, command)}[$__rate_interval]))",
                                f"sum by (command) ({in_range('increase', 'cloud_assistant_command_results_total', FAILED, command)})",
                            ),
                            "{{command}}",
                        )
                    ],
                    unit="cpm",
                    size=(24, 8),
                ),
                table(
                    "Commands",
                    "When each selected command last had a good and a failed result, and its schedule last ran.",
                    [
                        (
                            "Last good result",
                            f"time() - max by (account, region_id, command) ({selector('cloud_assistant_command_last_success_timestamp_seconds', command)})",
                            "s",
                            (GREEN, 93600, RED),
                        ),
                        (
                            "Last failed result",
                            f"time() - max by (account, region_id, command) ({selector('cloud_assistant_command_last_failure_timestamp_seconds', command)})",
                            "s",
                            None,
                        ),
                        (
                            "Schedule ran",
                            f"time() - max by (account, region_id, command) ({selector('cloud_assistant_schedule_last_run_timestamp_seconds', command)})",
                            "s",
                            None,
                        ),
                        (
                            "Failures",
                            f"sum by (account, region_id, command) (increase({selector('cloud_assistant_command_results_total', FAILED, command)}[$__range]))",
                            "short",
                            (GREEN, 1, ORANGE),
                        ),
                    ],
                    ["account", "region_id", "command"],
                ),
                table(
                    "Schedules",
                    "Live schedules of selected commands.",
                    [
                        (
                            "Schedules",
                            f"sum by (account, region_id, command, repeat_mode, frequency) ({selector('cloud_assistant_schedule_info', command)})",
                            "short",
                            None,
                        )
                    ],
                    ["account", "region_id", "command", "repeat_mode", "frequency"],
                    size=(24, 7),
                ),
                collapsed=True,
            ),
        ],
        variables=[
            variable("invocation_status", "Status", f"cloud_assistant_recent_results{{{SCOPE}}}"),
            variable("command", "Command", f"cloud_assistant_command_results_total{{{SCOPE}}}"),
        ],
    )


def durations():
    """For servers that take native histograms: they have none of the buckets that the other dashboards show."""
    duration = "cloud_assistant_result_duration_seconds"
    of_command = "cloud_assistant_command_result_duration_seconds"
    status = 'invocation_status=~"$invocation_status"'
    command = 'command=~"$command"'

    def rate(metric, *matchers, by=""):
        return f"sum{by}(rate({selector(metric, *matchers)}[$__rate_interval]))"

    def quantile(q):
        return query(f"histogram_quantile({q}, {rate(duration, status)})", f"p{int(q * 100)}")

    def mean(expr):
        return f"histogram_sum({expr}) / histogram_count({expr})"

    of_range = f"sum by (command) ({in_range('increase', of_command, command)})"
    return dashboard(
        "cloud-assistant-durations",
        "Durations as native histograms",
        "How long results took, for a Prometheus that takes native histograms of an exporter with metrics.native_histograms.",
        [
            row(
                "Results",
                panel(
                    "heatmap",
                    "Distribution",
                    "How long results took from start to end; bounds are 9% apart.",
                    [query(f"sum(increase({selector(duration, status)}[$__rate_interval]))", heatmap=True)],
                    unit="short",
                    size=(12, 9),
                    options=HEATMAP,
                ),
                graph(
                    "Quantiles",
                    "How long results took, to 5% at worst.",
                    [quantile(q) for q in (0.5, 0.9, 0.99)],
                    unit="s",
                    size=(12, 9),
                ),
                graph(
                    "Median by status",
                    "Half of the results with that status took at most so long.",
                    [
                        query(
                            f"histogram_quantile(0.5, {rate(duration, status, by=' by (invocation_status) ')})",
                            "{{invocation_status}}",
                        )
                    ],
                    unit="s",
                    size=(8, 9),
                    overrides=colour_by(STATUS_COLOURS),
                ),
                graph(
                    "Within an hour",
                    "The share of results that took at most an hour.",
                    [query(f"histogram_fraction(0, 3600, {rate(duration, status)})", "at most 1 h")],
                    unit="percentunit",
                    size=(8, 9),
                ),
                graph(
                    "Mean",
                    "How long results took on average.",
                    [query(mean(rate(duration, status)), "mean")],
                    unit="s",
                    size=(8, 9),
                ),
            ),
            row(
                "Commands",
                graph(
                    "p90 by command",
                    "Nine of ten results of the command took at most so long, of the slowest. Needs metrics.commands and metrics.command_durations.",
                    [
                        query(
                            most(
                                f"histogram_quantile(0.9, {rate(of_command, command, by=' by (command) ')})",
                                f"histogram_quantile(0.9, {of_range})",
                            ),
                            "{{command}}",
                        )
                    ],
                    unit="s",
                    size=(12, 9),
                ),
                graph(
                    "Mean by command",
                    "How long results of the command took on average, of the slowest.",
                    [query(most(mean(rate(of_command, command, by=" by (command) ")), mean(of_range)), "{{command}}")],
                    unit="s",
                    size=(12, 9),
                ),
            ),
        ],
        variables=[
            variable("invocation_status", "Status", f"cloud_assistant_results_total{{{SCOPE}}}"),
            variable("command", "Command", f"cloud_assistant_command_results_total{{{SCOPE}}}"),
        ],
    )


def exporter():
    own = "cloud_assistant_exporter"
    by_scope = f"sum by ({SCOPES})"

    def own_rate(metric, labels, *matchers, scope=SCOPE):
        return f"sum by ({labels}) (rate({selector(f'{own}_{metric}', *matchers, scope=scope)}[$__rate_interval]))"

    def latency(q):
        return query(
            f"histogram_quantile({q}, sum by (le, action) (rate({selector(f'{own}_api_request_duration_seconds_bucket', scope=TARGET)}[$__rate_interval])))",
            f"{{{{action}}}} p{int(q * 100)}",
        )

    return dashboard(
        "cloud-assistant-exporter",
        "Exporter",
        "Whether the exporter works: its polls, its requests to the cloud, its credentials, and what it needs.",
        [
            row(
                "Now",
                stat(
                    "Scopes up",
                    "Accounts in regions whose last poll succeeded, as a share of all.",
                    f"avg({selector('cloud_assistant_up')})",
                    unit="percentunit",
                    steps=(RED, 0.99, ORANGE, 1, GREEN),
                ),
                stat(
                    "Oldest data",
                    "Time since the last successful poll of the scope that has waited longest.",
                    f"time() - min({selector('cloud_assistant_last_success_timestamp_seconds')})",
                    unit="s",
                    steps=(GREEN, 600, ORANGE, 3600, RED),
                ),
                stat(
                    "Results tracked",
                    "Results that the exporter remembers, so that each counts once.",
                    or_zero(f"sum({selector(f'{own}_tracked_results')})"),
                    decimals=0,
                ),
                stat(
                    "Requests in a day",
                    "Requests to the cloud in the last day, retries included.",
                    f"sum(increase({selector(f'{own}_api_requests_total')}[1d]))",
                    decimals=0,
                ),
                stat(
                    "Last reload",
                    "Whether the last reload of the configuration succeeded.",
                    f"min({selector(f'{own}_config_last_reload_successful', scope=TARGET)})",
                    steps=(RED, 1, GREEN),
                    mappings=[{"type": "value", "options": {"0": {"text": "failed"}, "1": {"text": "good"}}}],
                ),
                stat(
                    "Credentials expire in",
                    "The shortest life left of the temporary credentials of an account; renewed when a third, at most 15 minutes, is left.",
                    f"min({selector(f'{own}_credentials_expiry_timestamp_seconds', scope=ACCOUNT)}) - time()",
                    unit="s",
                    steps=(RED, 240, GREEN),
                ),
            ),
            row(
                "Polls",
                timeline(
                    "Scopes",
                    "Whether the last poll succeeded, of the 20 scopes that were down most.",
                    most(
                        f"min by ({SCOPES}) ({selector('cloud_assistant_up')})",
                        f"min by ({SCOPES}) ({in_range('avg_over_time', 'cloud_assistant_up')})",
                        pick="bottomk",
                    ),
                    SCOPE_NAME,
                    unit="short",
                    steps=(RED, 1, GREEN),
                    mappings=UP_DOWN,
                ),
                graph(
                    "Poll failures by reason",
                    "Polls that failed, per minute.",
                    [query("60 * " + own_rate("poll_failures_total", "reason"), "{{reason}}")],
                    unit="cpm",
                    bars=True,
                ),
                graph(
                    "Poll duration",
                    "How long the last poll took, of the 20 slowest scopes; a sweep reads everything and takes longer.",
                    [
                        query(
                            most(
                                f"max by ({SCOPES}) ({selector('cloud_assistant_poll_duration_seconds')})",
                                f"max by ({SCOPES}) ({in_range('max_over_time', 'cloud_assistant_poll_duration_seconds')})",
                            ),
                            SCOPE_NAME,
                        )
                    ],
                    unit="s",
                ),
                graph(
                    "Age of the data",
                    "Time since the last good poll, of the 20 scopes that have waited longest.",
                    [
                        query(
                            most(
                                f"time() - max by ({SCOPES}) ({selector('cloud_assistant_last_success_timestamp_seconds')})",
                                f"max by ({SCOPES}) ({in_range('max_over_time', 'cloud_assistant_last_success_timestamp_seconds')})",
                                pick="bottomk",
                            ),
                            SCOPE_NAME,
                        )
                    ],
                    unit="s",
                    steps=("transparent", 600, ORANGE, 3600, RED),
                ),
                graph(
                    "Polls and sweeps",
                    "Polls per minute, and completed sweeps in the 6 hours before: one of each for a scope by default.",
                    [
                        query("60 * " + own_rate("polls_total", "job"), "polls per minute"),
                        query(f"sum by (job) (increase({selector(f'{own}_sweeps_total')}[6h]))", "sweeps in 6 hours"),
                    ],
                    unit="short",
                ),
            ),
            row(
                "Requests to the cloud",
                graph(
                    "Requests by action",
                    "Requests per second, retries included.",
                    [query(own_rate("api_requests_total", "action"), "{{action}}")],
                    unit="reqps",
                ),
                graph(
                    "Failed requests by reason",
                    "Requests per second that failed.",
                    [query(own_rate("api_request_failures_total", "reason"), "{{reason}}")],
                    unit="reqps",
                    bars=True,
                ),
                graph("Latency", "How long requests take, by action.", [latency(q) for q in (0.5, 0.95)], unit="s"),
                graph(
                    "Throttled",
                    "Share of the requests that the cloud throttled, of the 20 scopes with most.",
                    [
                        query(
                            f"({own_rate('api_request_failures_total', 'account, region_id', THROTTLED)} or 0 * {own_rate('api_requests_total', 'account, region_id')}) / {own_rate('api_requests_total', 'account, region_id')}"
                            f" and topk({MOST}, {by_scope} ({in_range('increase', f'{own}_api_request_failures_total', THROTTLED)})"
                            f" or 0 * {by_scope} ({in_range('increase', f'{own}_api_requests_total')}))",
                            SCOPE_NAME,
                        )
                    ],
                    unit="percentunit",
                    steps=("transparent", 0.1, RED),
                ),
            ),
            row(
                "Events",
                graph(
                    "Events by outcome",
                    "Events received, per minute, where they are taken. A hint brings a poll forward; unknown ones name an account or a region that is not polled.",
                    [
                        query(
                            "60 * " + own_rate("events_total", "source, outcome", scope=TARGET),
                            "{{source}}: {{outcome}}",
                        )
                    ],
                    unit="cpm",
                    bars=True,
                ),
                graph(
                    "Time since the last event",
                    "Of the 20 scopes that have waited longest. Where results come and no events, a rule is missing or switched off.",
                    [
                        query(
                            most(
                                f"time() - max by ({SCOPES}) ({selector(f'{own}_last_event_timestamp_seconds')})",
                                f"max by ({SCOPES}) ({in_range('max_over_time', f'{own}_last_event_timestamp_seconds')})",
                                pick="bottomk",
                            ),
                            SCOPE_NAME,
                        )
                    ],
                    unit="s",
                ),
                graph(
                    "Polls by events",
                    "Polls that events brought forward, and all polls, per minute.",
                    [
                        query("60 * " + own_rate("event_polls_total", "job"), "by events"),
                        query("60 * " + own_rate("polls_total", "job"), "all"),
                    ],
                    unit="cpm",
                ),
                graph(
                    "Queue failures by reason",
                    "Requests to queues of events that failed, per minute. Polls go on without them.",
                    [query(or_zero("60 * " + own_rate("queue_failures_total", "reason")), "failed {{reason}}")],
                    unit="cpm",
                    bars=True,
                ),
                collapsed=True,
            ),
            row(
                "What it counted",
                graph(
                    "Results tracked by scope",
                    "Results remembered, of the 20 scopes with most: bounded by what the API lists.",
                    [
                        query(
                            most(
                                f"{by_scope} ({selector(f'{own}_tracked_results')})",
                                f"{by_scope} ({in_range('max_over_time', f'{own}_tracked_results')})",
                            ),
                            SCOPE_NAME,
                        )
                    ],
                    unit="short",
                ),
                graph(
                    "Oddities",
                    "In the hour before: results only a sweep found, results that changed after they settled, rows that cannot be counted, values folded into other.",
                    [
                        query(f"sum(increase({selector(f'{own}_late_results_total')}[1h]))", "late"),
                        query(f"sum(increase({selector(f'{own}_reclassified_results_total')}[1h]))", "reclassified"),
                        query(f"sum(increase({selector(f'{own}_skipped_rows_total')}[1h]))", "skipped rows"),
                        query(
                            f"sum by (label) (increase({selector(f'{own}_label_overflow_total')}[1h]))",
                            "overflow of {{label}}",
                        ),
                    ],
                    unit="short",
                ),
                graph(
                    "Credential renewals that failed",
                    "In the hour before, by account.",
                    [
                        query(
                            f"sum by (account) (increase({selector(f'{own}_credentials_refresh_failures_total', scope=ACCOUNT)}[1h]))",
                            "{{account}}",
                        )
                    ],
                    unit="short",
                ),
                table(
                    "Versions",
                    "The running exporters.",
                    [("Up", f"{selector(BUILD, scope=TARGET)}", "short", None)],
                    ["instance", "replica", "version", "revision", "rust_version"],
                    size=(12, 8),
                ),
            ),
            row(
                "Replicas",
                timeline(
                    "Who leads",
                    "Which replica leads, where several share a record; an exporter without others leads itself.",
                    of_replicas(f"{own}_leader"),
                    REPLICA,
                    unit="short",
                    steps=(BLUE, 1, GREEN),
                    mappings=LEADS,
                    size=(12, 7),
                ),
                timeline(
                    "The database of the record",
                    "Whether it answers each replica; one that it does not answer can neither lead nor take over.",
                    of_replicas(f"{own}_state_up"),
                    REPLICA,
                    unit="short",
                    steps=(RED, 1, GREEN),
                    mappings=UP_DOWN,
                    size=(12, 7),
                ),
                graph(
                    "Changes of the leader",
                    "In the hour before. A rollout is one or two.",
                    [query(or_zero(f"sum(increase({selector(f'{own}_leadership_changes_total', scope=TARGET)}[1h]))"))],
                    unit="short",
                    steps=("transparent", 4, RED),
                    size=(12, 7),
                ),
                graph(
                    "Saves",
                    "Per minute, and in red those that the database had lost when a replica began to lead, in the hour before.",
                    [
                        query(
                            or_zero(
                                f"60 * sum(rate({selector(f'{own}_state_revision', scope=TARGET)}[$__rate_interval]))"
                            ),
                            "saves",
                        ),
                        query(
                            or_zero(f"sum(increase({selector(f'{own}_lost_saves_total', scope=TARGET)}[1h]))"),
                            "lost",
                        ),
                    ],
                    unit="short",
                    overrides=colour_by({"saves": GREEN, "lost": RED}),
                    size=(12, 7),
                ),
            ),
            row(
                "The process",
                graph(
                    "CPU",
                    "Processor time used, in cores.",
                    [
                        query(
                            f"rate({selector('process_cpu_seconds_total', scope=TARGET)}[$__rate_interval])",
                            REPLICA,
                        )
                    ],
                    unit="short",
                    size=(8, 7),
                ),
                graph(
                    "Memory",
                    "Resident memory.",
                    [query(selector("process_resident_memory_bytes", scope=TARGET), REPLICA)],
                    unit="bytes",
                    size=(8, 7),
                ),
                graph(
                    "File descriptors",
                    "Open file descriptors and their limit.",
                    [
                        query(selector("process_open_fds", scope=TARGET), f"{REPLICA} open"),
                        query(selector("process_max_fds", scope=TARGET), f"{REPLICA} limit"),
                    ],
                    unit="short",
                    log=True,
                    size=(8, 7),
                ),
            ),
        ],
        time="now-6h",
    )


def rendered():
    """File name to text of each dashboard."""
    return {f"{d['uid']}.json": json.dumps(d, indent=2) + "\n" for d in (overview(), region(), durations(), exporter())}


if __name__ == "__main__":
    for name, text in rendered().items():
        (Path(__file__).parent / "dashboards" / name).write_text(text)
