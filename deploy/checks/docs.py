"""docs/, deploy/runbooks, the README files of deploy/ and CONTRIBUTING.md: links lead somewhere, queries can be asked, and what is named exists."""

import re

from checks import DEPLOY, ROOT, check, fail_if, queries, rules

PAGES = [
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((DEPLOY / "runbooks").glob("*.md")),
    DEPLOY / "README.md",
    DEPLOY / "helm" / "cloud-assistant-exporter" / "README.md",
]
# What state.postgres.name is by default.
SCHEMA = "cloud_assistant_exporter"


@check
def links():
    """every link and every path of the repository exists"""
    found, count = [], 0
    for page in PAGES:
        text = page.read_text()
        for target in re.findall(r"\]\(([^)#:]*)(?:#[\w-]+)?\)", text):
            count += 1
            if target and not (page.parent / target).exists():
                found.append(f"{page.name}: no such file: {target}")
        for path in re.findall(r"`((?:deploy|docs|config)/[\w./*-]+)", text):
            count += 1
            if not list(ROOT.glob(path)):
                found.append(f"{page.name}: no such file: {path}")
    fail_if(found)
    return f"{count} links and paths"


@check
def named():
    """every query parses; every metric and alert that is named exists"""
    found, count = [], 0
    for page in PAGES:
        text = page.read_text()
        for query in re.findall(r"```promql\n(.*?)```", text, re.S):
            count += 1
            found += [f"{page.name}: {problem}" for problem in queries.problems(query)]
        known = set(queries.SERIES) | set(queries.METRICS) | {SCHEMA}
        found += [
            f"{page.name}: no such metric: {name}"
            for name in re.findall(r"(?<![:\w])cloud_assistant_\w+\b(?!:)", text)
            if name not in known
        ]
        found += [
            f"{page.name}: no such alert: {name}"
            for name in re.findall(r"\bCloudAssistant\w+", text)
            if name not in rules.ALERTS
        ]
    fail_if(found)
    return f"{count} queries in {len(PAGES)} pages"


@check
def alerts_page():
    """docs/alerts.md lists every alert with its severity"""
    rows = dict(re.findall(r"^\| \[(\w+)\]\(\S+\) \| (\w+) \|", (ROOT / "docs" / "alerts.md").read_text(), re.M))
    assert rows == {name: rule["labels"]["severity"] for name, rule in rules.ALERTS.items()}, rows
    return f"{len(rows)} alerts"


@check
def costs():
    """the table of requests a day in docs/operations.md is right"""
    table = re.findall(
        r"^\| (\d+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", (ROOT / "docs" / "operations.md").read_text(), re.M
    )
    assert len(table) == 5
    for regions, *cells in table:
        wanted = [f"{int(regions) * 86400 / interval / 1000:.1f}" for interval in (30, 60, 300)]
        assert cells == wanted, f"{regions} regions: {cells}, not {wanted}"
