"""The fleet of the demo and exporters on it. It stands still once enough has happened: every client sees the same."""

import json
import re
import subprocess
import tempfile
import time
from pathlib import Path

from process import Program, free_port, get, get_json, post, until
from truth import Truth

ROOT = Path(__file__).resolve().parent.parent.parent
NAME = "cloud-assistant-exporter"
# As the demo has it.
COMMANDS = ["heartbeat|restart-web", ".*-kernel"]
# So much happens before it stands still.
RESULTS, STATUSES, SECONDS = 1_500, 5, 240
# Trouble that brings failures of every kind: exemplars, and durations of all lengths.
TROUBLE = [("production", "cn-hangzhou", "BadRollout"), ("production", "cn-shanghai", "Slow")]
TROUBLE += [("production", "eu-central-1", "AgentsOffline")]
OF_RESULTS = ("cloud_assistant_result", "cloud_assistant_command_result", "cloud_assistant_output")
TEXT = "text/plain;version=0.0.4"


def built(name):
    """The newest that is built."""
    found = [path for path in (ROOT / "target" / kind / name for kind in ("release", "debug")) if path.exists()]
    assert found, f"{name} is not built (cargo build --workspace)"
    return max(found, key=lambda path: path.stat().st_mtime)


class Simulator:
    """A simulator that ends with this process."""

    def __init__(self, scenario="fleet", *options, environment=None):
        command = [built("simulator"), "--scenario", scenario, "--until-eof", *options]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(command, **pipes, env=environment)
        self.url = self.process.stdout.readline().strip().removeprefix("listening on ")
        assert self.url, "the simulator does not start"
        self.accounts = {}

    def read_accounts(self, count):
        """Key, secret and regions of each account, as the simulator says them."""
        pattern = r"account (\S+): access key (\S+), secret (\S+), regions ?(.*)"
        for _ in range(count):
            account, *rest = re.match(pattern, self.process.stdout.readline()).groups()
            self.accounts[account] = rest

    def get(self, path):
        return get_json(f"{self.url}/simulator/{path}")

    def post(self, path, **parameters):
        return json.loads(post(f"{self.url}/simulator/{path}", **parameters))

    def stop(self):
        self.process.stdin.close()
        self.process.wait(timeout=20)


def configuration(simulator, interval, metrics, state=""):
    text = "accounts:\n"
    for account, (key, secret, regions) in simulator.accounts.items():
        credentials = f"{{type: access_key, access_key_id: {key}, access_key_secret: {secret}}}"
        text += f"  - {{name: {account}, endpoint: '{simulator.url}', regions: [{', '.join(regions.split())}]"
        text += f", credentials: {credentials}}}\n"
    commands = ", ".join(f"{{name: '{command}'}}" for command in COMMANDS)
    return (
        text + f"poll: {{interval: {interval}}}\n"
        "rate_limit: {requests_per_second: 200, burst: 200}\n"
        f"state: {{path: '{state}'}}\n"
        f"metrics: {{{metrics}command_durations: true, commands: [{commands}]}}\n"
    )


class Exporter:
    """The program, with a configuration that can be changed."""

    def __init__(self, directory, config, environment=None):
        self.config = directory / "config.yml"
        self.config.write_text(config)
        self.address = f"127.0.0.1:{free_port()}"
        flags = [f"--config.file={self.config}", f"--web.listen-address={self.address}", "--log.level=warn"]
        self.program = Program([built(NAME), *flags], directory / "exporter.log", env=environment)
        self.began = time.time()
        self.url = f"http://{self.address}"

    def scrape(self, accept=TEXT):
        """The body, and its content type."""
        self.program.must_run()
        body, headers = get(f"{self.url}/metrics", {"Accept": accept})
        return body, headers["Content-Type"]

    def text(self):
        return self.scrape()[0].decode()

    def ready(self):
        until("the exporter is ready", lambda: get(f"{self.url}/-/ready") and True)


class Fleet:
    """`exporters` by their name; `truth` is what was really run, once it stands still."""

    def __init__(self, kinds, before=lambda fleet: None):
        """`kinds`: what the configuration says of metrics, by the name of the exporter. `before` the first result, once."""
        self.temporary = tempfile.TemporaryDirectory(prefix="clients-")
        self.directory = Path(self.temporary.name)
        self.simulator = Simulator("fleet", "--paused", "--speed", "10")
        self.simulator.read_accounts(2)
        self.kinds, self.exporters = kinds, {}
        try:
            for name, metrics in kinds.items():
                home = self.directory / name
                home.mkdir()
                self.exporters[name] = Exporter(home, configuration(self.simulator, "5s", metrics))
            for exporter in self.exporters.values():
                exporter.ready()
            before(self)
            self.live()
        except BaseException:
            self.stop()
            raise

    def live(self):
        self.simulator.post("baseline")
        for account, region, kind in TROUBLE:
            self.simulator.post("trouble", account=account, region=region, kind=kind)
        self.simulator.post("resume")
        until("enough has happened", self.enough, seconds=SECONDS, pause=1)
        self.simulator.post("pause")
        self.truth = Truth(self.simulator.get("settled"), self.simulator.get("truth"))
        until("everything is counted", self.all_counted, seconds=SECONDS, pause=1)

    def enough(self):
        for exporter in self.exporters.values():
            exporter.program.must_run()
        scopes = [scope["since_baseline"] for scope in self.simulator.get("truth")["scopes"]]
        statuses = {status for scope in scopes for status in scope["by_status"]}
        return sum(scope["total"] for scope in scopes) >= RESULTS and len(statuses) >= STATUSES or None

    def all_counted(self):
        """What is new is shown at 0 first; and what the fleet alone changes is the same in all."""
        texts = [exporter.text() for exporter in self.exporters.values()]
        shown = {"\n".join(line for line in text.splitlines() if line.startswith(OF_RESULTS)) for text in texts}
        return len(shown) == 1 and all(total(text) == self.truth.total for text in texts) or None

    def stop(self):
        for exporter in self.exporters.values():
            exporter.program.stop()
        self.simulator.stop()
        self.temporary.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def total(text):
    lines = (line for line in text.splitlines() if line.startswith("cloud_assistant_results_total{"))
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)
