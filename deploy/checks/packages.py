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
DROP_IN = SYSTEMD / "optional" / "postgres.conf"
COMPOSE_FILES = ("compose.yaml", "compose.replicas.yaml")
EXPOSURE_LIMIT = 1.5


@check
def dockerfile():
    """hadolint finds nothing"""
    command("hadolint", DOCKER / "Dockerfile", silent=True)


def services(file):
    return yaml.safe_load((DOCKER / file).read_text())["services"]


@check
def compose():
    """the compose files have the types of the compose specification, and mount what exists"""
    count, missing = 0, []
    for file in COMPOSE_FILES:
        command("check-jsonschema", "--builtin-schema", "vendor.compose-spec", DOCKER / file)
        count += len(services(file))
        mounts = [volume.split(":")[0] for service in services(file).values() for volume in service.get("volumes", [])]
        missing += [mount for mount in mounts if mount.startswith(".") and not (DOCKER / mount).exists()]
    assert not missing, missing
    return f"{count} services"


@check
def compose_replicas():
    """of the replicas of compose, each is what the other is, and Prometheus scrapes both"""
    base, more = services("compose.yaml"), services("compose.replicas.yaml")
    # What compose makes of both files for the exporter, but for what differs by itself.
    first = base["exporter"] | more["exporter"]
    second = more["standby"]
    for key in (first.keys() | second.keys()) - {"build", "ports", "volumes"}:
        assert first.get(key) == second.get(key), f"{key}: {first.get(key)}, {second.get(key)}"
    assert set(second["volumes"]) <= set(first["volumes"])
    jobs = yaml.safe_load((DOCKER / "prometheus-replicas.yml").read_text())["scrape_configs"]
    targets = [target for job in jobs for group in job["static_configs"] for target in group["targets"]]
    assert targets == ["exporter:10069", "standby:10069"], targets
    url = first["environment"]["CLOUD_ASSISTANT_EXPORTER__STATE__POSTGRES__URL"]
    server = more["postgres"]["environment"]
    user, password, database = (server[f"POSTGRES_{name}"] for name in ("USER", "PASSWORD", "DB"))
    assert url == f"postgres://{user}:{password}@postgres:5432/{database}?sslmode=disable", url


@check
def compose_prometheus():
    """promtool and amtool accept the files that compose mounts"""
    # The rules are mounted elsewhere than they are here.
    for file in ("prometheus.yml", "prometheus-replicas.yml"):
        text = (DOCKER / file).read_text().replace("/etc/prometheus/cloud-assistant", str(DEPLOY / "prometheus"))
        (TOOLS / file).write_text(text)
        command("promtool", "check", "config", "--lint=all", "--lint-fatal", TOOLS / file)
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
    units = list(directory.iterdir())
    drop_ins = directory / f"{SERVICE.name}.d"
    drop_ins.mkdir()
    shutil.copy(DROP_IN, drop_ins)
    command("systemd-analyze", "verify", "--man=no", *units, silent=True)
    return "service with its drop-in, and socket"


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
    assert f"UnsetEnvironment={state.split('=')[0]}\n" in DROP_IN.read_text()
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
