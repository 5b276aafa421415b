"""The checks, a file for each subject. A check returns what it looked at, raises Skip, or asserts."""

import importlib
import shutil
import subprocess
from pathlib import Path

DEPLOY = Path(__file__).resolve().parent.parent
ROOT = DEPLOY.parent
TOOLS = ROOT / "target" / "deploy"
SUBJECTS = ["rules", "dashboards", "packages", "chart", "replicas", "program", "cloud", "release", "docs", "scripts"]
# How TypeScript is asked whether JSON has the types of a package.
TSC = ["--strict", "--noEmit", "--skipLibCheck", "--moduleResolution", "bundler", "--module", "esnext"]

_checks = []
scrape_file = None  # of --scrape


class Skip(Exception):
    """This machine cannot run the check; the text says what is missing."""


def check(function):
    _checks.append((f"{function.__module__.split('.')[-1]}: {function.__doc__}", function))
    return function


def tool(name):
    """The path of a program: of the tools of --install first, else of the system."""
    for directory in (TOOLS / "venv" / "bin", TOOLS / "node_modules" / ".bin", None):
        if path := shutil.which(name, path=directory and str(directory)):
            return path
    raise Skip(f"{name} is not installed")


def npm_package(name):
    path = TOOLS / "node_modules" / name
    if not path.exists():
        raise Skip(f"the npm package {name} is not installed (--install)")
    return path


def command(name, *arguments, silent=False, cwd=ROOT, **more):
    """Runs a program; its output. Fails with the output when it fails, or says anything and is to be silent."""
    done = subprocess.run(
        [tool(name), *map(str, arguments)], cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more
    )
    assert done.returncode == 0, f"{name} exited {done.returncode}\n{done.stdout}"
    assert not (silent and done.stdout.strip()), done.stdout
    return done.stdout


def fail_if(problems):
    assert not problems, "\n".join(problems)


def run(arguments):
    counts = {"ok": 0, "FAILED": 0, "skipped": 0}
    global scrape_file
    scrape_file = arguments.scrape
    TOOLS.mkdir(parents=True, exist_ok=True)
    for subject in SUBJECTS:
        try:
            importlib.import_module(f"checks.{subject}")
        except ModuleNotFoundError as missing:
            package = missing.name
            if package.startswith("checks"):
                raise
            _checks.append((f"{subject}: all", lambda p=package: _missing(p)))
    for name, function in _checks:
        if arguments.names and not any(name.startswith(wanted) for wanted in arguments.names):
            continue
        try:
            outcome, text = "ok", function()
        except Skip as reason:
            outcome, text = "skipped", str(reason)
        except AssertionError as problem:
            outcome, text = "FAILED", str(problem)
        except Exception as problem:  # a file that is missing or does not parse
            outcome, text = "FAILED", f"{type(problem).__name__}: {problem}"
        counts[outcome] += 1
        print(f"{outcome:8}{name}" + (f": {text}" if text else ""), flush=True)
    print(f"{counts['ok']} passed, {counts['FAILED']} failed, {counts['skipped']} skipped")
    return 1 if counts["FAILED"] or (arguments.strict and counts["skipped"]) else 0


def _missing(package):
    raise Skip(f"the Python package {package} is not installed (--install)")
