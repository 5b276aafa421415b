"""Programs that are run beside the tests, and the waiting for them."""

import json
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def get(url, headers=None, timeout=10, **parameters):
    """The body and the headers of an answer."""
    query = "?" + urllib.parse.urlencode(parameters) if parameters else ""
    with urllib.request.urlopen(urllib.request.Request(url + query, headers=headers or {}), timeout=timeout) as answer:
        return answer.read(), answer.headers


def get_json(url, **parameters):
    return json.loads(get(url, **parameters)[0])


def post(url, **parameters):
    query = "?" + urllib.parse.urlencode(parameters) if parameters else ""
    with urllib.request.urlopen(urllib.request.Request(url + query, method="POST"), timeout=10) as answer:
        return answer.read()


def until(what, found, seconds=60, pause=0.2):
    """What `found` says once it is not None; while a program starts, its refusals are none."""
    deadline, last = time.monotonic() + seconds, None
    while time.monotonic() < deadline:
        try:
            if (value := found()) is not None:
                return value
        except (OSError, urllib.error.URLError) as problem:
            last = problem
        time.sleep(pause)
    raise AssertionError(f"not within {seconds} seconds: {what}" + (f" ({last})" if last else ""))


class Program:
    """A process that ends with a `with`; what it said is in its log."""

    def __init__(self, command, log, **more):
        self.log = log
        with open(log, "ab") as to:
            self.process = subprocess.Popen([str(part) for part in command], stdout=to, stderr=to, **more)

    def said(self):
        return self.log.read_text(errors="replace")

    def must_run(self):
        assert self.process.poll() is None, f"it has ended with {self.process.returncode}:\n{self.said()[-3000:]}"

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.kill()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
