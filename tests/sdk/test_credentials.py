"""The official credentials package and the exporter, given the same environment and files, find the same key.

Usage: test_credentials.py PATH_OF_THE_SIMULATOR PATH_OF_THE_EXPORTER
       test_credentials.py --find SIMULATOR_HOST METADATA_HOST    (what the package finds in this environment, for itself)

The package is used as it is; only its requests to STS and to the metadata service are led to the simulator. What both
ask STS for, and where, is compared too. Each difference is listed with its reason.
"""

import http.server
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import urllib.parse

from harness import Simulator

ROLE = "acs:ram::123456789012:role/"
PROVIDER = "acs:ram::123456789012:oidc-provider/rrsa"


# Of a session, what matters of how wide and how long it is, and whose it seems.
ASKED = ["DurationSeconds", "ExternalId", "Policy", "RoleArn"]


def find(host, metadata):
    """Prints whose key the package's default chain finds, by asking STS; nothing if it finds none."""
    from alibabacloud_credentials.client import Client as Credential
    from alibabacloud_credentials.provider import DefaultCredentialsProvider
    from alibabacloud_tea_openapi.client import Client
    from alibabacloud_tea_openapi.models import Config, OpenApiRequest, Params
    from darabonba.runtime import RuntimeOptions
    from Tea.core import TeaCore

    original = TeaCore.do_action

    def led_to_the_simulator(request, runtime=None):
        if "RoleArn" in (request.query or {}):
            asked = {name: request.query[name] for name in ASKED if name in request.query}
            print("asked: " + json.dumps(asked | {"host": request.headers["host"]}, sort_keys=True), file=sys.stderr)
        request.protocol = "http"
        request.headers["host"] = metadata if (request.pathname or "").startswith("/latest/") else host
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
    try:
        answer = Client(config).call_api(params, OpenApiRequest(), RuntimeOptions())
        print(answer["body"]["Arn"])
    except Exception as error:
        print(f"refused: {type(error).__name__}", file=sys.stderr)
        print("refused")
    sys.stderr.flush()
    sys.stdout.flush()
    # The package leaves threads behind.
    os._exit(0)


class Files:
    """A home directory, as the operator of a case has it."""

    def __init__(self, directory, url):
        self.home = pathlib.Path(directory)
        self.url = url

    def write(self, name, text):
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
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
    base_ini = INI.format(name="x", of="base").replace("[x]\n", "")
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
        *(
            (f"INI: {name}", wanted, none, ini(text))
            for name, wanted, text in [
                ("a comment behind the section", "ini-key", plain_ini.replace("[default]", "[default]   # comment")),
                ("another section's comment with a colon", "ini-key", "[client1]   # for: staging\n" + base_ini + plain_ini),
                ("the same the other way round", "ini-key", plain_ini + "[client1]   # for: staging\n" + base_ini),
                ("a comment with an equals sign", "ini-key", "[client1] ; a = b\n" + base_ini + plain_ini),
                ("only another section", "node", "[client1]   # for: staging\n" + base_ini),
                ("spaces in the brackets", "node", plain_ini.replace("[default]", "[ default ]")),
                ("keys that all sections have", "ini-key", "[DEFAULT]\n" + plain_ini.replace("[default]\n", "") + "[default]\n"),
                ("a section before what it inherits", "ini-key", "[default]\n[DEFAULT]\n" + plain_ini.replace("[default]\n", "")),
                ("indented keys", "ini-key", plain_ini.replace("\n", "\n  ")),
                ("line ends of Windows", "ini-key", plain_ini.replace("\n", "\r\n")),
                ("line ends of old Macs", "ini-key", plain_ini.replace("\n", "\r")),
                ("text behind the brackets", "ini-key", plain_ini.replace("[default]", "[default] type = ecs_ram_role")),
                ("empty lines and tabs", "ini-key", plain_ini.replace(" = ", "\t=\t").replace("\n", "\n\n")),
                ("a key that is not known", "ini-key", plain_ini + "colour = red\n"),
                ("a secret behind two equals signs", "refused", plain_ini.replace("access_key_secret = ", "access_key_secret = =")),
                ("capital letters of the section matter", "node", plain_ini.replace("[default]", "[Default]")),
            ]
        ),
        ("INI: OIDC with a policy", "oidc", none, both(with_token, ini(ini_oidc + 'policy = {"Version": "1"}\n'))),
        ("CLI: OIDC with a policy", "oidc", none, both(with_token, cli(oidc_profile | {"policy": "{}"}))),
        ("CLI: a profile without keys", "node", none, cli({"name": "default", "mode": "AK", "region_id": "cn-hangzhou"})),
        ("CLI: a profile with empty keys", "ini-key", none, both(cli(key(access_key_id="", access_key_secret="")), ini(plain_ini))),
        ("CLI: a profile without a mode", "node", none, cli({"name": "default", "mode": "", "output_format": "json"})),
        ("CLI: a large file", "cli-key", none, cli(*(key(f"other-{number}") for number in range(2000)), key())),
        ("CLI: settings that are not about credentials", "cli-key", none, cli(key(read_timeout=1, retry_count=3, site="china"))),
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
    # What an editor leaves behind is no part of a key.
    ("a line break at the end of a key", "refused", "environment-key",
     {"ALIBABA_CLOUD_ACCESS_KEY_ID": "environment-key\n", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "environment-secret\r\n"}, None),
    ("a line break in the CLI's file", "refused", "cli-key", {},
     lambda files: files.cli(key(access_key_id="cli-key\n", access_key_secret="cli-secret\n"))),
    ("a mark before the CLI's file", "node", "cli-key", {},
     lambda files: files.write(".aliyun/config.json", "\ufeff" + json.dumps({"current": "default", "profiles": [key()]}))),
    ("a mark before the INI file", "node", "ini-key", {},
     lambda files: files.ini("\ufeff" + INI.format(name="default", of="ini"))),
    # What is wrong elsewhere in a file does not matter.
    ("INI: a torn line in another section", "node", "ini-key", {},
     lambda files: files.ini("[x]\ntorn\n" + INI.format(name="default", of="ini"))),
    ("INI: another section twice", "node", "ini-key", {},
     lambda files: files.ini("[x]\na = 1\n[x]\n" + INI.format(name="default", of="ini"))),
    ("CLI: an odd profile before", "node", "cli-key", {},
     lambda files: files.write(".aliyun/config.json", json.dumps({"current": "default", "profiles": [None, 7, key()]}))),
    # What is wrong in the section that was asked for is said, where the package goes on to the next source.
    ("INI: a torn line", "node", "line 5 is neither", {},
     lambda files: files.ini(INI.format(name="default", of="ini") + "torn\n")),
    ("INI: a key twice", "node", "line 5 has a key that is there already", {},
     lambda files: files.ini(INI.format(name="default", of="ini") + "type = access_key\n")),
    ("INI: keys before any section", "node", "line 1 stands before", {},
     lambda files: files.ini("a = 1\n" + INI.format(name="default", of="ini"))),
    ("INI: a section that does not end", "node", "line 1 begins like a section", {},
     lambda files: files.ini(INI.format(name="default", of="ini").replace("]", ""))),
    ("INI: a line that goes on", "node", "the line after type begins with spaces", {},
     lambda files: files.ini("[default]\ntype = access_key\n  access_key_id = ini-key\naccess_key_secret = ini-secret\n")),
    ("INI: a reference", "node", "holds a %", {},
     lambda files: files.ini(INI.format(name="default", of="ini") .replace("ini-secret", "ini%secret"))),
    # The package sends the quotes.
    ("INI: a key in quotes", "refused", "access_key_id is in quotes", {},
     lambda files: files.ini(INI.format(name="default", of="ini").replace("= ini-key", '= "ini-key"'))),
    # Keys that the package does not know are honoured, or refused by name.
    ("INI: a temporary key", "refused", "STS.cli", {},
     lambda files: files.ini("[default]\ntype = access_key\naccess_key_id = STS.cli\naccess_key_secret = cli-secret\n"
                             "security_token = cli-token\n")),
    ("INI: type sts", "node", "STS.cli", {},
     lambda files: files.ini("[default]\ntype = sts\naccess_key_id = STS.cli\naccess_key_secret = cli-secret\n"
                             "security_token = cli-token\n")),
    ("INI: a proxy of its own", "ini-key", "proxy is not honoured", {},
     lambda files: files.ini(INI.format(name="default", of="ini") + "proxy = http://127.0.0.1:1\n")),
    ("INI: turned off", "ini-key", "node", {},
     lambda files: files.ini(INI.format(name="default", of="ini") + "enable = false\n")),
    ("CLI: a role with a session of 0 s", "node", "role", {}, lambda files: files.cli(role() | {"expired_seconds": 0})),
    ("CLI: a role by the instance's", "node", "role", {},
     lambda files: files.cli(role(mode="RamRoleArnWithRoleName", ram_role_name="node-role"))),
    ("CLI: a credentials URI", "node", "uri", {},
     lambda files: files.cli({"name": "default", "mode": "CredentialsURI", "credentials_uri": files.url + "/credentials/uri"})),
    ("CLI: a mode for people", "node", "the mode \"BearerToken\" cannot be used", {},
     lambda files: files.cli({"name": "default", "mode": "BearerToken", "bearer_token": "x"})),
    # Two sources are not mixed.
    ("a profile that lacks a secret", "node", "access_key_secret is missing", {},
     lambda files: files.cli(key(access_key_secret=""))),
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


def by_package(url, home, variables, metadata=None):
    """Whose key, and all that was said."""
    hosts = [address.removeprefix("http://") for address in (url, metadata or url)]
    out, err = run([sys.executable, os.path.abspath(__file__), "--find", *hosts], home, variables)
    if not out and "none: " not in err:
        raise AssertionError(err)
    return whose(out.strip()), err


def by_exporter(exporter, url, home, variables, metadata=None, sts=True):
    """Whose key, and all that was said."""
    config = home / "exporter.yml"
    sts = f"sts_endpoint: '{url if sts is True else sts}', " if sts else ""
    config.write_text(
        f"accounts: [{{name: it, endpoint: '{url}', regions: [cn-hangzhou], credentials: "
        f"{{type: default, {sts}metadata_endpoint: '{metadata or url}'}}}}]\n"
    )
    out, err = run([exporter, f"--config.file={config}", "--config.check-credentials"], home, variables)
    lines = [line.strip() for line in out.splitlines()]
    found = [line.split()[1] for line in lines if line.startswith("identity: acs:")]
    return whose(found[0] if found else ""), out + err


def whose(arn):
    """`acs:ram::ACCOUNT:user/KEY` as the key, or the account where the key was given out by the simulator."""
    if not arn or arn == "refused":
        return arn or None
    account, key_id = arn.removeprefix("acs:ram::").split(":user/")
    return account if key_id.startswith("STS.sim") else key_id


class Recorder(http.server.ThreadingHTTPServer):
    """STS, a proxy and a metadata service in one: notes what it is asked for, and answers a refusal but for metadata."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answers)
        self.asked = []
        self.metadata = {}
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Answers(http.server.BaseHTTPRequestHandler):
    def do_CONNECT(self):
        self.server.asked.append({"host": self.path.removesuffix(":443")})
        self.answer(403, "")

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        form = dict(urllib.parse.parse_qsl(body))
        self.server.asked.append({name: form[name] for name in ASKED if name in form})
        self.answer(400, json.dumps({"Code": "Noted", "RequestId": "1"}))

    def do_PUT(self):
        self.answer(self.server.metadata["token"], "the-token")

    def do_GET(self):
        kind = "with" if self.headers.get("X-aliyun-ecs-metadata-token") else "without"
        body = "node-role"
        if self.path.endswith("/node-role"):
            body = json.dumps({"Code": "Success", "AccessKeyId": "STS.cli", "AccessKeySecret": "cli-secret",
                               "SecurityToken": "cli-token", "Expiration": "2099-01-01T00:00:00Z"})
        self.answer(self.server.metadata[kind], body)

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


def metadata_cases():
    """(name, whose key, statuses, environment): both find the same."""
    off = {"ALIBABA_CLOUD_IMDSV1_DISABLED": "true"}
    return [
        ("by its token", "STS.cli", (200, 200, 403), {}),
        ("refuses its own token with 403", "STS.cli", (200, 403, 200), {}),
        ("refuses its own token with 404", "STS.cli", (200, 404, 200), {}),
        ("fails with its own token", "STS.cli", (200, 500, 200), {}),
        ("has no version 2", "STS.cli", (404, 403, 200), {}),
        ("refuses its own token, version 1 off", None, (200, 403, 200), off),
        ("has no version 2, version 1 off", None, (404, 403, 200), off),
        ("refuses all", None, (200, 403, 403), {}),
        ("has no role", None, (200, 404, 404), {}),
    ]


def session_cases(files):
    """(name, environment, what writes the files, what the package does otherwise, and why): what STS is asked for."""
    token = str(files.home / "token")
    write = lambda *writers: lambda: [files.write("token", "oidc-token")] + [writer() for writer in writers]
    oidc = lambda **more: lambda: files.cli(
        key(mode="OIDC", ram_role_arn=ROLE + "oidc", oidc_provider_arn=PROVIDER, oidc_token_file=token,
            **{"expired_seconds": 900} | more))
    ini = lambda more: lambda: files.ini(
        f"[default]\ntype = oidc_role_arn\nrole_arn = {ROLE}oidc\noidc_provider_arn = {PROVIDER}\n"
        f"oidc_token_file_path = {token}\nrole_session_name = sdk\n{more}")
    ini_role = lambda more: lambda: files.ini(
        f"[default]\ntype = ram_role_arn\naccess_key_id = base-key\naccess_key_secret = base-secret\n"
        f"role_arn = {ROLE}role\nrole_session_name = sdk\n{more}")
    cli = lambda **more: lambda: files.cli(role() | more)
    region = {"ALIBABA_CLOUD_STS_REGION": "cn-beijing"}
    vpc = {"ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED": "true"}
    sts = {"ALIBABA_CLOUD_STS_ENDPOINT": "sts-vpc.cn-shanghai.aliyuncs.com"}
    rrsa = {"ALIBABA_CLOUD_ROLE_ARN": ROLE + "oidc", "ALIBABA_CLOUD_OIDC_PROVIDER_ARN": PROVIDER,
            "ALIBABA_CLOUD_OIDC_TOKEN_FILE": token}
    unknown = "the package does not know it; the CLI and RRSA do"
    return [
        ("CLI: OIDC", {}, write(oidc()), {}, ""),
        ("CLI: OIDC, policy", {}, write(oidc(policy='{"Version":"1"}')), {}, ""),
        ("CLI: OIDC, duration", {}, write(oidc(expired_seconds=1800)), {}, ""),
        ("CLI: OIDC, region", {}, write(oidc(sts_region="cn-beijing")), {}, ""),
        ("CLI: OIDC, region inside of a VPC", {}, write(oidc(sts_region="cn-beijing", enable_vpc=True)), {}, ""),
        ("CLI: role, everything", {}, write(cli(policy="{}", external_id="ex", expired_seconds=1200)), {}, ""),
        ("CLI: role, region before the environment's", region, write(cli(sts_region="eu-west-1", enable_vpc=False)), {}, ""),
        ("CLI: role, VPC without region", {}, write(cli(enable_vpc=True)), {}, ""),
        ("INI: OIDC", {}, write(ini("")), {}, ""),
        ("INI: OIDC, policy", {}, write(ini('policy = {"Version": "1"}\n')), {}, ""),
        ("INI: OIDC, policy of several lines", {}, write(ini('policy = {"Version":\n  "1"}\n')), {}, ""),
        ("INI: role, policy", {}, write(ini_role("policy = {}\n")), {}, ""),
        ("RRSA", rrsa, write(), {}, ""),
        ("RRSA in a region", rrsa | region, write(), {}, ""),
        ("RRSA in a region's VPC", rrsa | region | vpc, write(), {}, ""),
        ("RRSA with VPC alone", rrsa | vpc, write(), {}, ""),
        ("RRSA as the webhook writes it", rrsa | region | vpc | sts, write(), {"host": "sts-vpc.cn-beijing.aliyuncs.com"}, unknown),
        ("ALIBABA_CLOUD_STS_ENDPOINT", rrsa | sts, write(), {"host": "sts.aliyuncs.com"}, unknown),
        ("CLI: sts_endpoint", {}, write(cli(sts_endpoint="sts-vpc.cn-shanghai.aliyuncs.com")), {"host": "sts.aliyuncs.com"}, unknown),
        ("ALIBABA_CLOUD_EXTERNAL_ID", {"ALIBABA_CLOUD_EXTERNAL_ID": "ex"}, write(cli()), {"ExternalId": None}, unknown),
        ("INI: external_id", {}, write(ini_role("external_id = ex\n")), {"ExternalId": None},
         "the package does not know it; the role would be refused without"),
        ("INI: role_session_expiration", {}, write(ini_role("role_session_expiration = 900\n")), {"DurationSeconds": "3600"},
         "the package for Go knows it"),
    ]


def main(simulator, exporter):
    exporter = os.path.abspath(exporter)
    simulator = Simulator(os.path.abspath(simulator), "credentials")
    url = simulator.url
    results = []

    def judge(name, well, shown):
        results.append(well)
        print(f"{'ok     ' if well else 'FAILED '} {name}{'' if well else ': ' + shown}")

    with tempfile.TemporaryDirectory() as directory:
        for number, (name, wanted, variables, write) in enumerate(cases(Files(directory, url), url)):
            home = pathlib.Path(directory) / str(number)
            home.mkdir()
            # The paths in a case are those of its own directory.
            _, wanted, variables, write = cases(Files(home, url), url)[number]
            if write:
                write()
            package, _ = by_package(url, home, variables)
            ours, said = by_exporter(exporter, url, home, variables)
            ours = "refused" if "SignatureDoesNotMatch" in said else ours
            judge(name, package == ours == wanted, f"package {package}, exporter {ours}, wanted {wanted}\n{said}")
        for number, (name, wanted, ours_wanted, variables, write) in enumerate(EXCEPTED):
            home = pathlib.Path(directory) / f"excepted-{number}"
            home.mkdir()
            if write:
                write(Files(home, url))
            package, _ = by_package(url, home, variables)
            ours, said = by_exporter(exporter, url, home, variables)
            well = package == wanted and (ours == ours_wanted or (ours is None and ours_wanted in said))
            judge(f"excepted: {name}", well, f"package {package}, exporter {ours}\n{said}")
        recorder = Recorder()
        for number, (name, wanted, statuses, variables) in enumerate(metadata_cases()):
            home = pathlib.Path(directory) / f"metadata-{number}"
            home.mkdir()
            recorder.metadata = dict(zip(("token", "with", "without"), statuses))
            package, _ = by_package(url, home, variables, recorder.url)
            ours, said = by_exporter(exporter, url, home, variables, recorder.url)
            shown = f"package {package}, exporter {ours}, wanted {wanted}\n{said}"
            judge(f"metadata service that {name}", package == ours == wanted, shown)
        for number, case in enumerate(session_cases(Files(directory, url))):
            name, reason = case[0], case[4]
            home = pathlib.Path(directory) / f"session-{number}"
            home.mkdir()
            _, variables, write, otherwise, _ = session_cases(Files(home, url))[number]
            write()
            _, err = by_package(url, home, variables)
            asked = [json.loads(line.removeprefix("asked: ")) for line in err.splitlines() if line.startswith("asked: ")]
            recorder.asked.clear()
            # Once for what is asked for, and once, through a proxy, for where.
            by_exporter(exporter, url, home, variables, sts=recorder.url)
            _, said = by_exporter(exporter, url, home, variables | {"HTTPS_PROXY": recorder.url}, sts=None)
            ours = recorder.asked[0] | recorder.asked[-1]
            # Exactly what is listed differs, and it does.
            expected = {name: value for name, value in (ours | otherwise).items() if value is not None}
            well = asked[-1:] == [expected] and all(ours.get(name) != value for name, value in otherwise.items())
            shown = f"package {asked}, exporter {ours}\n{said}"
            judge(f"session: {name}" + (f" ({reason})" if reason else ""), well, shown)
        recorder.shutdown()
    simulator.stop()
    print(f"{results.count(True)} passed, {results.count(False)} failed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    if sys.argv[1] == "--find":
        find(*sys.argv[2:])
    sys.exit(main(*sys.argv[1:]))
