"""deploy/docker, deploy/systemd and deploy/debian."""

import re
import shutil
import tomllib

import yaml

from checks import DEPLOY, ROOT, TOOLS, Skip, check, command, fail_if

DOCKER, SYSTEMD = DEPLOY / "docker", DEPLOY / "systemd"
SERVICE = SYSTEMD / "cloud-assistant-exporter.service"
# Apart, since cargo-deb enables every unit beside the service.
SOCKET = SYSTEMD / "optional" / "cloud-assistant-exporter.socket"
EXPOSURE_LIMIT = 1.5


@check
def dockerfile():
    """hadolint finds nothing"""
    command("hadolint", DOCKER / "Dockerfile", silent=True)


@check
def compose():
    """compose.yaml has the types of the compose specification, and mounts what exists"""
    command("check-jsonschema", "--builtin-schema", "vendor.compose-spec", DOCKER / "compose.yaml")
    services = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]
    mounts = [volume.split(":")[0] for service in services.values() for volume in service.get("volumes", [])]
    files = [mount for mount in mounts if mount.startswith(".")]
    missing = [mount for mount in files if not (DOCKER / mount).exists()]
    assert not missing, missing
    return f"{len(services)} services"


@check
def compose_prometheus():
    """promtool and amtool accept the files that compose mounts"""
    # The rules are mounted elsewhere than they are here.
    text = (
        (DOCKER / "prometheus.yml").read_text().replace("/etc/prometheus/cloud-assistant", str(DEPLOY / "prometheus"))
    )
    (TOOLS / "prometheus.yml").write_text(text)
    command("promtool", "check", "config", "--lint=all", "--lint-fatal", TOOLS / "prometheus.yml")
    command("amtool", "check-config", DOCKER / "alertmanager.yml")


@check
def units_verify():
    """systemd-analyze verify is silent"""
    # It looks for the program, which need not be installed here.
    directory = TOOLS / "units"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    for unit in (SERVICE, SOCKET):
        (directory / unit.name).write_text(unit.read_text().replace("/usr/bin/cloud-assistant-exporter", "/bin/true"))
    command("systemd-analyze", "verify", "--man=no", *directory.iterdir(), silent=True)
    return "service and socket"


@check
def unit_exposure():
    """the service is hardened (systemd-analyze security)"""
    text = command("systemd-analyze", "security", "--offline=yes", SERVICE)
    exposure = float(re.search(r"exposure level for \S+: ([\d.]+)", text)[1])
    assert exposure <= EXPOSURE_LIMIT, text
    return f"exposure {exposure}, at most {EXPOSURE_LIMIT}"


@check
def same_names():
    """unit, user, packages and image agree on port, paths and state"""
    service = SERVICE.read_text()
    dockerfile = (DOCKER / "Dockerfile").read_text()
    state = "CLOUD_ASSISTANT_EXPORTER__STATE__PATH=/var/lib/cloud-assistant-exporter/state"
    assert state in service and state in dockerfile
    assert "--config.file=/etc/cloud-assistant-exporter/config.yml" in service
    assert "EXPOSE 10069" in dockerfile
    assert "ListenStream=10069" in SOCKET.read_text()
    user = re.search(r"^User=(.*)", service, re.M)[1]
    assert (SYSTEMD / "cloud-assistant-exporter.sysusers").read_text().startswith(f"u {user} ")
    for script in ("postinst", "postrm"):
        text = (DEPLOY / "debian" / script).read_text()
        assert text.rstrip().endswith("#DEBHELPER#"), f"{script} does not end with the token that cargo-deb replaces"


@check
def debian_assets():
    """every file that the Debian package takes exists"""
    deb = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"].get("metadata", {}).get("deb")
    if deb is None:
        raise Skip("Cargo.toml has no [package.metadata.deb] yet")
    sources = [source for source, *_ in deb["assets"] if not source.startswith("target/")]
    fail_if([source for source in sources if not list(ROOT.glob(source))])
    return f"{len(sources)} sources"
