"""The hub's clients of Google's APIs, as a program that obeys orders: see google_probe.cpp."""

import json
import os
import subprocess


class Probe:
    """
    with Probe() as probe:
        probe.open({"kind": "file", "file": …}, endpoints)
        assert probe.ask("find", name=…) is None
    """

    def __init__(self, **environment):
        self._environment = {**os.environ, **environment}

    def __enter__(self):
        self.process = subprocess.Popen(
            [os.environ["SLIPWAY_GOOGLE_PROBE"]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, env=self._environment,
        )  # fmt: skip
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.end()

    def end(self):
        """Gives what it wrote to its standard error."""
        return self.process.communicate()[1]

    def order(self, do, **rest):
        """{"result": …} or {"error": {"code", "class", "message", "retry_after_ms"}}"""
        self.process.stdin.write(json.dumps({"do": do, **rest}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def ask(self, do, **rest):
        answer = self.order(do, **rest)
        if "error" in answer:
            raise AssertionError(f"{do}: {answer['error']}")
        return answer["result"]

    def fail(self, do, **rest):
        """(code, class) of the error."""
        answer = self.order(do, **rest)
        if "error" not in answer:
            raise AssertionError(f"{do} did not fail: {answer['result']}")
        return answer["error"]["code"], answer["error"]["class"]

    def open(self, credentials, endpoints):
        self.ask("open", credentials=credentials, endpoints=endpoints)
