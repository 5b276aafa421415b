"""A simulator for one run, and the run of a file's tests."""

import json
import subprocess
import sys
import urllib.parse
import urllib.request


class Simulator:
    """A process that ends with this one."""

    def __init__(self, path, scenario="sdk"):
        self.process = subprocess.Popen(
            [path, "--scenario", scenario, "--until-eof"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.url = self.process.stdout.readline().strip().removeprefix("listening on ")
        self.host = self.url.removeprefix("http://")

    def stop(self):
        self.process.stdin.close()
        assert self.process.wait(timeout=10) == 0

    def get(self, path):
        with urllib.request.urlopen(f"{self.url}/simulator/{path}") as answer:
            return json.load(answer)

    def post(self, path, **parameters):
        query = urllib.parse.urlencode(parameters)
        request = urllib.request.Request(f"{self.url}/simulator/{path}?{query}", method="POST")
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)


def run(tests):
    """Runs each function of a module's names that begins with test_; the exit code."""
    simulator = Simulator(sys.argv[1])
    passed = failed = 0
    for name, test in list(tests.items()):
        if not name.startswith("test_"):
            continue
        try:
            test(simulator)
            passed += 1
            print(f"ok      {name.removeprefix('test_').replace('_', ' ')}")
        except Exception as error:  # a test that fails must not hide the others
            failed += 1
            print(f"FAILED  {name.removeprefix('test_').replace('_', ' ')}: {type(error).__name__}: {error}")
    simulator.stop()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0
