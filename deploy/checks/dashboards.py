"""deploy/grafana: the JSON is what dashboards.py writes, has Grafana's types, and keeps the rules of the dashboard linter.

Rules of the linter (grafana/dashboard-linter), in its words: template-datasource, template-job, template-instance,
template-label-promql, template-on-time-change-reload, panel-datasource, panel-title-description, panel-units,
panel-no-targets, target-promql, target-rate-interval, target-job, target-instance, target-counter-agg,
uneditable-dashboard. target-logql does not apply. Ours on top: metrics and labels exist, titles differ, and no
panel steps in less than two polls.
"""

import importlib.util
import json
import re

import promql_parser
import yaml

from checks import DEPLOY, TOOLS, TSC, check, command, fail_if, npm_package, queries

GRAFANA = DEPLOY / "grafana"
DASHBOARDS = {path.name: json.loads(path.read_text()) for path in sorted((GRAFANA / "dashboards").glob("*.json"))}
POLL_SECONDS = 60
# Panels whose numbers have no unit but a count. Grafana's ids of units, as far as they are used.
UNITS = {"short", "percentunit", "s", "cpm", "reqps", "Bps", "bytes"}


def panels(dashboard):
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            yield from panel["panels"]
        else:
            yield panel


def as_promql(expr):
    """A panel's query with Grafana's own variables replaced; those of the dashboard are values of matchers and stay."""
    return re.sub(r"\$__(rate_interval|range|interval)\b", "5m", expr)


@check
def generated():
    """the files are what dashboards.py writes"""
    spec = importlib.util.spec_from_file_location("generator", GRAFANA / "dashboards.py")
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    files = {path.name: path.read_text() for path in (GRAFANA / "dashboards").iterdir()}
    assert files == generator.rendered(), "run deploy/grafana/dashboards.py"
    return f"{len(files)} dashboards, {sum(len(list(panels(d))) for d in DASHBOARDS.values())} panels"


@check
def types():
    """dashboards, panel options and field settings have the types of @grafana/schema"""
    raw = f"{npm_package('@grafana/schema')}/dist/types/raw"
    kinds = sorted({panel["type"] for dashboard in DASHBOARDS.values() for panel in panels(dashboard)})
    lines = [
        # In JSON an enum is written by its value.
        "type Plain<T> = T extends string ? `${T}` : T extends (infer U)[] ? Plain<U>[]"
        " : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;",
        f'import type {{ Dashboard }} from "{raw}/dashboard/x/types.gen";',
    ]
    for kind in (k.replace("-", "") for k in kinds):
        lines.append(f'import type * as {kind} from "{raw}/composable/{kind}/panelcfg/x/types.gen";')
    number = 0
    for dashboard in DASHBOARDS.values():
        number += 1
        lines.append(f"export const d{number}: Plain<Dashboard> = {json.dumps(dashboard)};")
        for panel in panels(dashboard):
            number += 1
            kind = panel["type"].replace("-", "")
            lines.append(f"export const p{number}: Partial<Plain<{kind}.Options>> = {json.dumps(panel['options'])};")
            if custom := panel["fieldConfig"]["defaults"].get("custom"):
                lines.append(f"export const f{number}: Partial<Plain<{kind}.FieldConfig>> = {json.dumps(custom)};")
    source = TOOLS / "dashboards.ts"
    source.write_text("\n".join(lines) + "\n")
    command("tsc", *TSC, source, cwd=TOOLS)
    return f"{number} typed values of {len(kinds)} panel types"


@check
def linter():
    """the rules of the dashboard linter hold"""
    found, targets = [], 0
    for file, dashboard in DASHBOARDS.items():

        def say(rule, text, file=file):
            found.append(f"{file}: {rule}: {text}")

        variables = {v["name"]: v for v in dashboard["templating"]["list"]}
        source = variables.get("datasource", {})
        if (source.get("type"), source.get("label")) != ("datasource", "Data source"):
            say("template-datasource", "no variable datasource with the label Data source")
        for name, label in (("job", "Job"), ("instance", "Instance")):
            v = variables.get(name, {})
            wanted = {"type": "query", "label": label, "multi": True, "allValue": ".+"}
            if {k: v.get(k) for k in wanted} != wanted or v["datasource"]["uid"] != "$datasource":
                say(f"template-{name}", f"the variable is not {wanted}")
        for v in variables.values():
            if v["type"] == "query":
                if v.get("refresh") != 2:
                    say("template-on-time-change-reload", v["name"])
                metric, label = re.fullmatch(r"label_values\((.*), (\w+)\)", v["query"]["query"]).groups()
                for problem in queries.problems(metric):
                    say("template-label-promql", f"{v['name']}: {problem}")
                if label not in queries.LABELS:
                    say("template-label-promql", f"no such label: {label}")
        if dashboard.get("editable") is not False:
            say("uneditable-dashboard", "editable is not false")
        titles = [panel.get("title") for panel in panels(dashboard)]
        for panel in panels(dashboard):
            title = panel.get("title")
            if titles.count(title) > 1:
                say("title", f"{title}: two panels of this title")
            if not title or not panel.get("description"):
                say("panel-title-description", title)
            if panel["datasource"] != {"type": "prometheus", "uid": "$datasource"}:
                say("panel-datasource", title)
            if panel["fieldConfig"]["defaults"].get("unit") not in UNITS:
                say("panel-units", title)
            if not panel.get("targets"):
                say("panel-no-targets", title)
            if int(panel["interval"].removesuffix("m")) * 60 < 2 * POLL_SECONDS:
                say("interval", f"{title}: steps in less than two polls")
            for target in panel["targets"]:
                targets += 1
                for rule, problem in target_problems(target["expr"]):
                    say(rule, f"{title}: {problem}")
    fail_if(found)
    return f"{targets} queries"


def target_problems(expr):
    if problems := queries.problems(as_promql(expr)):
        yield from (("target-promql", problem) for problem in problems)
        return
    if any(
        not interval.startswith("$__rate_interval")
        for interval in re.findall(r"\b(?:i?rate)\([^\[]*\[([^\]]*)\]", expr)
    ):
        yield "target-rate-interval", expr
    for name, matchers, parents in queries.selectors(as_promql(expr)):
        if name.startswith("ALERTS"):
            # Of rules, not of a target.
            continue
        present = {(m.name, m.value) for m in matchers if "Re" in str(m.op)}
        for variable in ("job", "instance"):
            if (variable, f"${variable}") not in present:
                yield f"target-{variable}", name
        counted = any(
            isinstance(p, promql_parser.Call) and p.func.name in ("rate", "irate", "increase") for p in parents[-2:]
        )
        native = queries.METRICS.get(name, {}).get("native")
        if (native or re.search(r"_(total|bucket|count|sum)$", name)) and not counted:
            yield "target-counter-agg", name


@check
def native():
    """of a native histogram either its buckets or itself are asked for in one dashboard: no server has both"""
    found = []
    for file, dashboard in DASHBOARDS.items():
        exprs = [as_promql(t["expr"]) for panel in panels(dashboard) for t in panel["targets"]]
        names = {name for expr in exprs for name, _, _ in queries.selectors(expr)}
        for name in (name for name, metric in queries.METRICS.items() if metric.get("native")):
            classic = {f"{name}_{suffix}" for suffix in ("bucket", "sum", "count")} & names
            if name in names and classic:
                found.append(f"{file}: {name} and {', '.join(sorted(classic))}")
    fail_if(found)


@check
def bounded():
    """no graph has a line for each scope or command but of those that rank first"""
    found, count = [], 0
    for file, dashboard in DASHBOARDS.items():
        for panel in panels(dashboard):
            if panel["type"] not in ("timeseries", "state-timeline"):
                continue
            for target in panel["targets"]:
                count += 1
                many = {"{{region_id}}", "{{command}}", "{{error_code}} {{exit_code}}"}
                if any(legend in target["legendFormat"] for legend in many) and not re.search(
                    r"\b(top|bottom)k\(", target["expr"]
                ):
                    found.append(f"{file}: {panel['title']}: as many lines as there are scopes, commands or codes")
    fail_if(found)
    return f"{count} queries of graphs"


@check
def provisioning():
    """the provisioning files name the datasource and the folder that compose mounts"""
    source = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "prometheus.yml").read_text())["datasources"][0]
    path = yaml.safe_load((GRAFANA / "provisioning" / "dashboards" / "cloud-assistant.yml").read_text())["providers"][
        0
    ]["options"]["path"]
    compose = yaml.safe_load((DEPLOY / "docker" / "compose.yaml").read_text())["services"]
    mounts = [volume.split(":")[1] for volume in compose["grafana"]["volumes"]]
    assert source["url"] == "http://prometheus:9090" and "prometheus" in compose
    assert path in mounts and "/etc/grafana/provisioning" in mounts, mounts
