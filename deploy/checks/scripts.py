"""Everything in deploy/ that is run or read by a machine, and the clients of tests/."""

from checks import DEPLOY, ROOT, check, command


@check
def yaml_files():
    """yamllint finds nothing in deploy/ and .github/"""
    command(
        "yamllint",
        "--strict",
        "--config-file",
        DEPLOY / "checks" / "yamllint.yml",
        DEPLOY,
        ROOT / ".github",
        silent=True,
    )


@check
def python_files():
    """ruff finds nothing in the Python files, layout included"""
    files = [
        *[DEPLOY / "check", DEPLOY / "checks", DEPLOY / "try", DEPLOY / "debian" / "try"],
        *[DEPLOY / "grafana" / "dashboards.py", DEPLOY / "grafana" / "query-panels", ROOT / "tests" / "clients"],
    ]
    command("ruff", "check", "--quiet", "--no-cache", "--isolated", "--select=E4,E7,E9,F,B,PLE,I", *files, silent=True)
    command(
        "ruff", "format", "--check", "--quiet", "--no-cache", "--isolated", "--line-length=120", *files, silent=True
    )


@check
def shell_files():
    """shellcheck finds nothing in the maintainer scripts"""
    scripts = [DEPLOY / "debian" / name for name in ("postinst", "postrm")]
    command("shellcheck", *scripts, silent=True)
