"""deploy/prometheus and deploy/runbooks."""

import re
from concurrent.futures import ThreadPoolExecutor

import promql_parser
import yaml

import checks
from checks import DEPLOY, Skip, check, command, fail_if, queries

PROMETHEUS = DEPLOY / "prometheus"
FILES = sorted(PROMETHEUS.glob("*.rules.yml"))
TESTS = sorted((PROMETHEUS / "tests").glob("*.test.yml"))
RULES = [rule for file in FILES for group in yaml.safe_load(file.read_text())["groups"] for rule in group["rules"]]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
RUNBOOK_PARTS = ["What it means", "How to look", "What to do"]
# Where the exporter is, for the links of an alert; one value, which the chart and docs/alerts.md replace.
EXPORTER = "http://{{ $labels.instance }}"
# An exporter that does not answer serves nothing.
WITHOUT_LINKS = {"CloudAssistantExporterDown", "CloudAssistantExporterAbsent", "CloudAssistantReplicaDown"}


@check
def lint():
    """promtool finds nothing in the rules and the scrape configuration"""
    command("promtool", "check", "rules", "--lint=all", "--lint-fatal", *FILES)
    command("promtool", "check", "config", "--lint=all", "--lint-fatal", PROMETHEUS / "scrape.yml")
    return f"{len(ALERTS)} alerts, {len(RULES) - len(ALERTS)} recording rules"


@check
def unit_tests():
    """the unit tests of the alerts pass"""
    # promtool takes one file after another, and minutes for the longest.
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda file: command("promtool", "test", "rules", file), TESTS))
    tests = [test for file in TESTS for test in yaml.safe_load(file.read_text())["tests"]]
    assertions = sum(len(test.get("alert_rule_test", [])) + len(test.get("promql_expr_test", [])) for test in tests)
    return f"{len(tests)} tests with {assertions} assertions"


@check
def alerts_are_complete():
    """every alert has a severity, texts, a runbook, links, and at least three tests, of both kinds"""
    tests = {name: [] for name in ALERTS}
    found = []
    for file in TESTS:
        for test in yaml.safe_load(file.read_text())["tests"]:
            alert = test["name"].split(":")[0]
            if not alert.startswith("CloudAssistant"):
                # A test of many rules, such as those with series that are absent.
                continue
            tests.get(alert, found).append(test)
            if any(t["alertname"] != alert for t in test["alert_rule_test"]):
                found.append(f"{test['name']}: tests another alert than it is named after")
    for name, rule in ALERTS.items():

        def say(text, name=name):
            found.append(f"{name}: {text}")

        annotations = rule["annotations"]
        runbook = DEPLOY / "runbooks" / f"{name}.md"
        if not re.fullmatch(r"CloudAssistant([A-Z][a-z]+)+", name):
            say("is not CloudAssistant and words in CamelCase")
        if rule["labels"].get("severity") not in ("critical", "warning", "info"):
            say("severity is not critical, warning or info")
        links = set() if name in WITHOUT_LINKS else {"runbook_url", "page_url"}
        if set(annotations) != {"summary", "description", "runbook"} | links:
            say("annotations are not summary, description, runbook, runbook_url and page_url")
        if links and annotations["runbook_url"] != f"{EXPORTER}/runbooks/{name}.md":
            say("runbook_url is not that of the exporter")
        if links and not re.match(re.escape(EXPORTER) + r"/(\?find=|failures\?|$)", annotations["page_url"]):
            say("page_url is no page of the exporter")
        if "{{" in annotations["summary"] or not annotations["summary"].endswith("."):
            say("the summary is not a constant sentence")
        if "{{" not in annotations["description"]:
            say("the description has no numbers")
        if annotations["runbook"] != f"deploy/runbooks/{name}.md" or not runbook.exists():
            say("has no runbook of its name")
        elif re.findall(r"^## (.*)", runbook.read_text(), re.M) != RUNBOOK_PARTS:
            say(f"the runbook's parts are not {RUNBOOK_PARTS}")
        fires = [any(t["exp_alerts"] for t in test["alert_rule_test"]) for test in tests[name]]
        if len(fires) < 3 or all(fires) or not any(fires):
            say(f"has {len(fires)} tests, {sum(fires)} of them firing: wanted are 3, firing and silent ones")
    for runbook in (DEPLOY / "runbooks").glob("*.md"):
        if runbook.stem not in ALERTS:
            found.append(f"{runbook.name}: no such alert")
    fail_if([f if isinstance(f, str) else f"{f['name']}: no such alert" for f in found])
    return f"{len(ALERTS)} alerts, at least {min(map(len, tests.values()))} tests each"


@check
def expressions():
    """queries use metrics and labels that exist; alerts compare; recorded names are level:metric:operations"""
    found = []
    for rule in RULES:
        name = rule.get("alert") or rule["record"]
        found += [f"{name}: {problem}" for problem in queries.problems(rule["expr"])]
        nodes = [node for node, _ in queries.walk(promql_parser.parse(rule["expr"]))]
        if "alert" in rule and not any(
            (isinstance(n, promql_parser.BinaryExpr) and str(n.op) in ("==", "!=", ">", "<", ">=", "<="))
            or (isinstance(n, promql_parser.Call) and n.func.name == "absent")
            for n in nodes
        ):
            found.append(f"{name}: compares nothing")
        if "record" in rule:
            if not re.fullmatch(r"[a-z_]+:cloud_assistant_[a-z_]+:[a-z_]*rate\d+[mhd]", name):
                found.append(f"{name}: is not named level:metric:operations")
            if any(
                isinstance(n, promql_parser.AggregateExpr) and not str(n.modifier).startswith("without") for n in nodes
            ):
                found.append(f"{name}: aggregates otherwise than without (…)")
        for label in re.findall(r"\$labels\.(\w+)", str(rule.get("annotations", ""))):
            if label not in queries.LABELS:
                found.append(f"{name}: no such label: {label}")
        for regex in (
            m.value for _, matchers, _ in queries.selectors(rule["expr"]) for m in matchers if "Re" in str(m.op)
        ):
            if not re.search(r"[|.*+?\[\\]", regex):
                found.append(f"{name}: a regular expression that is a plain string: {regex}")
    fail_if(found)
    return f"{len(RULES)} expressions"


@check
def vocabulary():
    """metrics.yml is what the exporter serves"""
    if checks.scrape_file is None:
        raise Skip("needs an answer of /metrics (--scrape FILE)")
    text = checks.scrape_file.read_text()
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)", text, re.M))
    labels = {}
    for name, inside in re.findall(r"^(\w+)(?:\{(.*)\})? ", text, re.M):
        family = name if name in types else re.sub(r"_(bucket|sum|count)$", "", name)
        labels.setdefault(family, set()).update(re.findall(r'(?:^|,)(\w+)="', inside))
    found = []
    for name, metric in queries.METRICS.items():
        if name not in types:
            if not metric.get("optional"):
                found.append(f"not served: {name}")
            continue
        if types[name] != metric["type"]:
            found.append(f"{name} is a {types[name]}, not a {metric['type']}")
        if name in labels and (difference := labels[name] - {"le"} ^ set(metric["labels"])):
            found.append(f"{name}: labels differ by {sorted(difference)}")
    found += [
        f"not in metrics.yml: {name}"
        for name in types
        if name.startswith("cloud_assistant_") and name not in queries.METRICS
    ]
    fail_if(found)
    return f"{len(types)} metrics"
