"""The official credentials package and the exporter, given the same environment and files, find the same key.

Usage: test_credentials.py PATH_OF_THE_SIMULATOR PATH_OF_THE_EXPORTER
       test_credentials.py --find SIMULATOR_HOST    (what the package finds in this environment, for itself)

The package is used as it is; only its requests to STS and to the metadata service are led to the simulator.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import urllib.parse

ROLE = "acs:ram::123456789012:role/"
PROVIDER = "acs:ram::123456789012:oidc-provider/rrsa"


def find(host):
    """Prints whose key the package's default chain finds, by asking STS; nothing if it finds none."""
    from alibabacloud_credentials.client import Client as Credential
    from alibabacloud_credentials.provider import DefaultCredentialsProvider
    from alibabacloud_tea_openapi.client import Client
    from alibabacloud_tea_openapi.models import Config, OpenApiRequest, Params
    from darabonba.runtime import RuntimeOptions
    from Tea.core import TeaCore

    original = TeaCore.do_action

    def led_to_the_simulator(request, runtime=None):
        request.protocol = "http"
        request.headers["host"] = host
        request.port = None
        if "OIDCToken" in (request.query or {}):
            # The package puts the token into the address, which the simulator refuses on purpose: the exporter must not.
            token = {"OIDCToken": request.query.pop("OIDCToken")}
            request.method = "POST"
            request.headers["content-type"] = "application/x-www-form-urlencoded"
            request.body = urllib.parse.urlencode(token)
        return original(request, runtime)

    TeaCore.do_action = staticmethod(led_to_the_simulator)
    try:
        found = DefaultCredentialsProvider().get_credentials()
    except Exception as error:
        print(f"none: {error}", file=sys.stderr)
        sys.stderr.flush()
        os._exit(0)
    config = Config(
        access_key_id=found.get_access_key_id(),
        access_key_secret=found.get_access_key_secret(),
        security_token=found.get_security_token(),
        endpoint=host,
        protocol="http",
    )
    params = Params(
        action="GetCallerIdentity",
        version="2015-04-01",
        protocol="HTTP",
        pathname="/",
        method="POST",
        auth_type="AK",
        style="RPC",
        req_body_type="formData",
        body_type="json",
    )
    answer = Client(config).call_api(params, OpenApiRequest(), RuntimeOptions())
    print(answer["body"]["Arn"])
    sys.stdout.flush()
    # The package leaves threads behind.
    os._exit(0)


class Files:
    """A home directory, as the operator of a case has it."""

    def __init__(self, directory):
        self.home = pathlib.Path(directory)

    def write(self, name, text):
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return str(path)

    def cli(self, *profiles, current="default", name=".aliyun/config.json"):
        return self.write(name, json.dumps({"current": current, "profiles": list(profiles), "meta_path": ""}))

    def ini(self, text, name=".alibabacloud/credentials.ini"):
        return self.write(name, text)


def key(name="default", of="cli", **more):
    return {
        "name": name,
        "mode": "AK",
        "access_key_id": f"{of}-key",
        "access_key_secret": f"{of}-secret",
        "sts_token": "",
        "ram_role_arn": "",
        "expired_seconds": 0,
        "output_format": "json",
        "language": "en",
        **more,
    }


def role(name="default", of="role", mode="RamRoleArn", **more):
    return key(name, "base", mode=mode, ram_role_arn=ROLE + of, ram_session_name="sdk", expired_seconds=900, **more)


INI = "[{name}]\ntype = access_key\naccess_key_id = {of}-key\naccess_key_secret = {of}-secret\n"
ENVIRONMENT = {
    "ALIBABA_CLOUD_ACCESS_KEY_ID": "environment-key",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "environment-secret",
}
TOKEN = {
    "ALIBABA_CLOUD_ACCESS_KEY_ID": "STS.environment",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "environment-secret",
    "ALIBABA_CLOUD_SECURITY_TOKEN": "environment-token",
}
NO_METADATA = {"ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true"}


def cases(files, url):
    """(name, whose key, environment, what writes the files)"""
    token = str(files.home / "token")
    oidc = {
        "ALIBABA_CLOUD_ROLE_ARN": ROLE + "oidc",
        "ALIBABA_CLOUD_OIDC_PROVIDER_ARN": PROVIDER,
        "ALIBABA_CLOUD_OIDC_TOKEN_FILE": token,
    }
    uri = {"ALIBABA_CLOUD_CREDENTIALS_URI": f"{url}/credentials/uri"}
    with_token = lambda: files.write("token", "oidc-token")
    cli = lambda *profiles, **more: lambda: files.cli(*profiles, **more)
    ini = lambda text, **more: lambda: files.ini(text, **more)
    both = lambda *writers: lambda: [writer() for writer in writers]
    oidc_profile = key(mode="OIDC", expired_seconds=900, ram_role_arn=ROLE + "oidc", oidc_provider_arn=PROVIDER, oidc_token_file=token)
    ini_role = (
        f"[default]\ntype = ram_role_arn\naccess_key_id = base-key\naccess_key_secret = base-secret\n"
        f"role_arn = {ROLE}role\nrole_session_name = sdk\n"
    )
    ini_oidc = (
        f"[default]\ntype = oidc_role_arn\nrole_arn = {ROLE}oidc\noidc_provider_arn = {PROVIDER}\n"
        f"oidc_token_file_path = {token}\nrole_session_name = sdk\n"
    )
    everything = both(with_token, cli(key()), ini(INI.format(name="default", of="ini")))
    plain_ini = INI.format(name="default", of="ini")
    named = {"ALIBABA_CLOUD_PROFILE": "named"}
    none = {}
    return [
        ("a key of the environment", "environment-key", ENVIRONMENT, None),
        ("a temporary key of the environment", "STS.environment", TOKEN, None),
        ("the environment before all else", "environment-key", ENVIRONMENT | oidc | uri, everything),
        ("variables that are empty are not set", "cli-key", dict.fromkeys(TOKEN, "") , cli(key())),
        ("OIDC", "oidc", oidc, with_token),
        ("OIDC with a session name", "oidc", oidc | {"ALIBABA_CLOUD_ROLE_SESSION_NAME": "pod"}, with_token),
        ("OIDC before files", "oidc", oidc | uri, everything),
        ("a role alone is not OIDC", "cli-key", {"ALIBABA_CLOUD_ROLE_ARN": ROLE + "oidc"}, everything),
        ("two of three are not OIDC", "cli-key", {k: v for k, v in oidc.items() if "FILE" not in k}, everything),
        ("CLI: key", "cli-key", none, cli(key())),
        ("CLI: the current profile", "base-key", none, cli(key(), key("other", "base"), current="other")),
        ("CLI: the named profile", "base-key", named, cli(key(), key("named", "base"))),
        ("CLI: the first of one name", "cli-key", none, cli(key(), key("default", "base"))),
        ("CLI: token", "STS.cli", none, cli(key(mode="StsToken", access_key_id="STS.cli", sts_token="cli-token"))),
        ("CLI: role", "role", none, cli(role())),
        ("CLI: role of the instance", "node", none, cli(key(mode="EcsRamRole", ram_role_name="node-role"))),
        ("CLI: role of the instance by discovery", "node", none, cli(key(mode="EcsRamRole"))),
        ("CLI: OIDC", "oidc", none, both(with_token, cli(oidc_profile))),
        (
            "CLI: chained roles",
            "chained",
            none,
            cli(role("middle"), role(of="chained", mode="ChainableRamRoleArn", source_profile="middle")),
        ),
        ("CLI before INI", "cli-key", none, both(cli(key()), ini(plain_ini))),
        ("the CLI's file is turned off", "ini-key", {"ALIBABA_CLOUD_CLI_PROFILE_DISABLED": "true"}, everything),
        ("INI: key", "ini-key", none, ini(plain_ini)),
        ("INI: an old file", "ini-key", none, ini(plain_ini + "enable = true\n")),
        ("INI: comments", "ini-key", none, ini("# one\n; two\n\n" + plain_ini.replace("-key\n", "-key # three\n"))),
        ("INI: colons and capitals", "ini-key", none, ini(plain_ini.replace(" =", ":").replace("type", "Type"))),
        ("INI: the named section", "base-key", named, ini(plain_ini + INI.format(name="named", of="base"))),
        (
            "INI: the named section where the CLI has none",
            "base-key",
            named,
            both(cli(key()), ini(plain_ini + INI.format(name="named", of="base"))),
        ),
        ("INI: role", "role", none, ini(ini_role)),
        ("INI: OIDC", "oidc", none, both(with_token, ini(ini_oidc))),
        ("INI: role of the instance", "node", none, ini("[default]\ntype = ecs_ram_role\nrole_name = node-role\n")),
        (
            "INI: a file of one's own",
            "ini-key",
            {"ALIBABA_CLOUD_CREDENTIALS_FILE": str(files.home / "own")},
            ini(plain_ini, name="own"),
        ),
        (
            "INI: a file of one's own that is missing",
            "node",
            {"ALIBABA_CLOUD_CREDENTIALS_FILE": str(files.home / "missing")},
            ini(plain_ini),
        ),
        ("a profile that is nowhere", "node", named, both(cli(key()), ini(plain_ini))),
        ("the instance", "node", none, None),
        ("the instance by a known role", "node", {"ALIBABA_CLOUD_ECS_METADATA": "node-role"}, None),
        ("the instance before the URI", "node", uri, None),
        ("the URI", "uri", uri | NO_METADATA, None),
        ("nothing", None, NO_METADATA, None),
    ]


EXCEPTED = [
    # The package goes on to the next source; the exporter says what is broken.
    ("a broken RRSA is not the role of the node", "node", "the token file", {
        "ALIBABA_CLOUD_ROLE_ARN": ROLE + "oidc",
        "ALIBABA_CLOUD_OIDC_PROVIDER_ARN": PROVIDER,
        "ALIBABA_CLOUD_OIDC_TOKEN_FILE": "/nonexistent/token",
    }, None),
    ("half a key", "node", "ALIBABA_CLOUD_ACCESS_KEY_SECRET is not", {"ALIBABA_CLOUD_ACCESS_KEY_ID": "x"}, None),
    ("a CLI file that is cut off", "node", "not the JSON of a CLI configuration", {},
     lambda files: files.write(".aliyun/config.json", "{")),
    # The exporter reads what the SDK for Go reads.
    ("credentials without .ini", "node", "ini-key", {},
     lambda files: files.ini(INI.format(name="default", of="ini"), name=".alibabacloud/credentials")),
    ("ALIBABA_CLOUD_CONFIG_FILE", "node", "cli-key", {"ALIBABA_CLOUD_CONFIG_FILE": "own.json"},
     lambda files: files.cli(key(), name="own.json")),
]


def run(arguments, home, variables):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ALIBABA_CLOUD_")}
    environment = {name: value for name, value in environment.items() if not name.lower().endswith("_proxy")}
    environment |= variables | {"HOME": str(home)}
    done = subprocess.run(arguments, env=environment, cwd=home, capture_output=True, text=True, timeout=60)
    return done.stdout, done.stderr


def by_package(url, home, variables):
    host = url.removeprefix("http://")
    out, err = run([sys.executable, os.path.abspath(__file__), "--find", host], home, variables)
    if not out and "none: " not in err:
        raise AssertionError(err)
    return whose(out.strip())


def by_exporter(exporter, url, home, variables):
    """Whose key, and all that was said."""
    config = home / "exporter.yml"
    config.write_text(
        f"accounts: [{{name: it, endpoint: '{url}', regions: [cn-hangzhou], credentials: "
        f"{{type: default, sts_endpoint: '{url}', metadata_endpoint: '{url}'}}}}]\n"
    )
    out, err = run([exporter, f"--config.file={config}", "--config.check-credentials"], home, variables)
    lines = [line.strip() for line in out.splitlines()]
    found = [line.split()[1] for line in lines if line.startswith("identity: acs:")]
    return whose(found[0] if found else ""), out + err


def whose(arn):
    """`acs:ram::ACCOUNT:user/KEY` as the key, or the account where the key was given out by the simulator."""
    if not arn:
        return None
    account, key_id = arn.removeprefix("acs:ram::").split(":user/")
    return account if key_id.startswith("STS.sim") else key_id


def main(simulator, exporter):
    simulator, exporter = os.path.abspath(simulator), os.path.abspath(exporter)
    process = subprocess.Popen(
        [simulator, "--scenario", "credentials", "--until-eof"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    url = process.stdout.readline().strip().removeprefix("listening on ")
    results = []

    def judge(name, well, shown):
        results.append(well)
        print(f"{'ok     ' if well else 'FAILED '} {name}{'' if well else ': ' + shown}")

    with tempfile.TemporaryDirectory() as directory:
        for number, (name, wanted, variables, write) in enumerate(cases(Files(directory), url)):
            home = pathlib.Path(directory) / str(number)
            home.mkdir()
            # The paths in a case are those of its own directory.
            _, wanted, variables, write = cases(Files(home), url)[number]
            if write:
                write()
            package = by_package(url, home, variables)
            ours, said = by_exporter(exporter, url, home, variables)
            judge(name, package == ours == wanted, f"package {package}, exporter {ours}, wanted {wanted}\n{said}")
        for number, (name, wanted, ours_wanted, variables, write) in enumerate(EXCEPTED):
            home = pathlib.Path(directory) / f"excepted-{number}"
            home.mkdir()
            if write:
                write(Files(home))
            package = by_package(url, home, variables)
            ours, said = by_exporter(exporter, url, home, variables)
            well = package == wanted and (ours == ours_wanted or (ours is None and ours_wanted in said))
            judge(f"excepted: {name}", well, f"package {package}, exporter {ours}\n{said}")
    process.stdin.close()
    assert process.wait(timeout=10) == 0
    print(f"{results.count(True)} passed, {results.count(False)} failed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    if sys.argv[1] == "--find":
        find(sys.argv[2])
    sys.exit(main(*sys.argv[1:]))
