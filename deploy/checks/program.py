"""What the built program says of the configurations and flags in deploy/."""

import re
import shlex
import subprocess

import yaml

from checks import DEPLOY, ROOT, TOOLS, Skip, chart, check, fail_if

NAME = "cloud-assistant-exporter"
CONFIG_FLAG = "--config.file="


def program():
    """The newest that is built."""
    built = [path for path in (ROOT / "target" / kind / NAME for kind in ("release", "debug")) if path.exists()]
    if not built:
        raise Skip("the program is not built (cargo build)")
    return max(built, key=lambda path: path.stat().st_mtime)


def of_manifests(documents):
    """The configuration, flags and environment of each Deployment in Kubernetes objects."""
    configs = {d["metadata"]["name"]: d["data"]["config.yml"] for d in documents if "config.yml" in d.get("data", {})}
    for deployment in (d for d in documents if d["kind"] == "Deployment"):
        pod = deployment["spec"]["template"]["spec"]
        container = pod["containers"][0]
        volume = next(v for v in pod["volumes"] if v["name"] == "config")
        environment = {e["name"]: str(e.get("value", "from-a-secret")) for e in container["env"]}
        yield configs[volume["configMap"]["name"]], container["args"], environment


def all_of_deploy():
    unit = (DEPLOY / "systemd" / f"{NAME}.service").read_text()
    _, *flags = shlex.split(re.search(r"^ExecStart=(.*)", unit, re.M)[1])
    environment = dict(e.split("=", 1) for e in re.findall(r"^Environment=(.*)", unit, re.M))
    yield "debian/config.yml", (DEPLOY / "debian" / "config.yml").read_text(), flags, environment

    exporter = yaml.safe_load((DEPLOY / "docker" / "compose.yaml").read_text())["services"]["exporter"]
    yield (
        "docker/exporter.yml",
        (DEPLOY / "docker" / "exporter.yml").read_text(),
        exporter["command"],
        exporter["environment"],
    )

    for name, values in chart.CI_VALUES.items():
        for found in of_manifests(chart.rendered(values)):
            yield f"chart with {name}", *found
    for found in of_manifests(list(yaml.safe_load_all(chart.PLAIN.read_text()))):
        yield f"kubernetes/{chart.PLAIN.name}", *found


@check
def configurations():
    """--config.check accepts the configuration, flags and environment of every package"""
    binary, file = program(), TOOLS / "config.yml"
    # What the chart mounts from a Secret.
    mounted, token = "/var/run/secrets/cloud-assistant-exporter/events/token", TOOLS / "event-token"
    token.write_text("a token of events\n")
    found, count = [], 0
    for what, text, flags, environment in all_of_deploy():
        count += 1
        environment = {name: value.replace(mounted, str(token)) for name, value in environment.items()}
        file.write_text(text.replace(mounted, str(token)))
        assert any(flag.startswith(CONFIG_FLAG) for flag in flags), f"{what}: {flags}"
        # The web configuration of an example is a Secret's, and $ARGS is the owner's.
        kept = [flag for flag in flags if not flag.startswith((CONFIG_FLAG, "--web.config.file=", "$"))]
        done = subprocess.run(
            [binary, "--config.check", f"{CONFIG_FLAG}{file}", *kept],
            env=environment,
            text=True,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        if done.returncode:
            found.append(f"{what}: {done.stdout.strip()}")
    fail_if(found)
    return f"{count} configurations, {binary.relative_to(ROOT)}"
