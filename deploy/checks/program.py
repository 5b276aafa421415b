"""What the built program says of the configurations and flags in deploy/."""

import re
import shlex
import ssl
import subprocess

import yaml

from checks import DEPLOY, ROOT, TOOLS, Skip, chart, check, fail_if, packages

NAME = "cloud-assistant-exporter"
CONFIG_FLAG = "--config.file="
# The web configuration of an example is a Secret's, $ARGS is the owner's, and a record is not there to be copied.
LEFT_OUT = (CONFIG_FLAG, "--web.config.file=", "$", "--state.copy-to-postgres=")
# What is mounted from Secrets, or is the owner's.
MOUNTED = {
    "/var/run/secrets/cloud-assistant-exporter/events/token": "a token of events\n",
    "/var/run/secrets/cloud-assistant-exporter/postgres/url": "postgres://user:password@database.invalid:5432/counts\n",
    "/var/run/secrets/cloud-assistant-exporter/postgres/ca.pem": None,
    "/etc/cloud-assistant-exporter/postgres-ca.pem": None,
    "/etc/cloud-assistant-exporter/postgres-url": "postgres://user:password@database.invalid/counts?sslmode=require\n",
}


def program():
    """The newest that is built."""
    built = [path for path in (ROOT / "target" / kind / NAME for kind in ("release", "debug")) if path.exists()]
    if not built:
        raise Skip("the program is not built (cargo build)")
    return max(built, key=lambda path: path.stat().st_mtime)


def of_manifests(documents):
    """The configuration, flags and environment of each Deployment and Job in Kubernetes objects."""
    configs = {d["metadata"]["name"]: d["data"]["config.yml"] for d in documents if "config.yml" in d.get("data", {})}
    for workload in (d for d in documents if d["kind"] in ("Deployment", "Job")):
        pod = workload["spec"]["template"]["spec"]
        container = pod["containers"][0]
        volume = next(v for v in pod["volumes"] if v["name"] == "config")
        environment = {e["name"]: str(e.get("value", "from-a-secret")) for e in container["env"]}
        yield configs[volume["configMap"]["name"]], container["args"], environment


def all_of_deploy():
    unit = (DEPLOY / "systemd" / f"{NAME}.service").read_text()
    _, *flags = shlex.split(re.search(r"^ExecStart=(.*)", unit, re.M)[1])
    environment = dict(e.split("=", 1) for e in re.findall(r"^Environment=(.*)", unit, re.M))
    text = (DEPLOY / "debian" / "config.yml").read_text()
    yield "debian/config.yml", text, flags, environment
    drop_in = packages.DROP_IN.read_text()
    for name in re.findall(r"^UnsetEnvironment=(.*)", drop_in, re.M):
        environment.pop(name)
    environment |= dict(e.split("=", 1) for e in re.findall(r"^Environment=(.*)", drop_in, re.M))
    yield f"debian/config.yml with {packages.DROP_IN.name}", text, flags, environment

    exporter = packages.services("compose.yaml")["exporter"]
    for file in packages.COMPOSE_FILES:
        environment = exporter["environment"] | packages.services(file)["exporter"]["environment"]
        text = (DEPLOY / "docker" / "exporter.yml").read_text()
        yield f"docker/exporter.yml with {file}", text, exporter["command"], environment

    page = (ROOT / "docs" / "high-availability.md").read_text()
    for block in re.findall(r"```yaml\n(state:\n.*?)```", page, re.S):
        yield "docs/high-availability.md", block, flags, {}
        yield "docs/high-availability.md, in full", re.sub(r"# (\w+: \S+)", r"\1", block), flags, {}

    for name, values in chart.CI_VALUES.items():
        for found in of_manifests(chart.rendered(values)):
            yield f"chart with {name}", *found
    plain = [
        list(yaml.safe_load_all(path.read_text())) for path in (chart.PLAIN, chart.PLAIN_REPLICAS, chart.PLAIN_COPY)
    ]
    for documents in (plain[0], plain[1] + plain[2]):
        for found in of_manifests(documents):
            yield "kubernetes", *found


def mounted():
    """A file here for each path of MOUNTED."""
    directory = TOOLS / "mounted"
    directory.mkdir(exist_ok=True)
    files = {}
    for number, (path, text) in enumerate(MOUNTED.items()):
        file = directory / str(number)
        file.write_text(text or an_authority())
        files[path] = str(file)
    return files


def an_authority():
    known = ssl.create_default_context().get_ca_certs(binary_form=True)
    if not known:
        raise Skip("this machine has no certificates of authorities (ca-certificates)")
    return ssl.DER_cert_to_PEM_cert(known[0])


@check
def configurations():
    """--config.check accepts the configuration, flags and environment of every package"""
    binary, file = program(), TOOLS / "config.yml"
    files = mounted()
    found, count = [], 0
    for what, text, flags, environment in all_of_deploy():
        count += 1
        environment = {name: files.get(value, value) for name, value in environment.items()}
        for path, here in files.items():
            text = text.replace(path, here)
        file.write_text(text)
        assert any(flag.startswith(CONFIG_FLAG) for flag in flags), f"{what}: {flags}"
        kept = [flag for flag in flags if not flag.startswith(LEFT_OUT)]
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
