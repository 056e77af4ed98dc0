"""Google's Pub/Sub emulator for a test: its own port, and the topics that a hub expects.

    with Emulator() as pubsub, Cloud(configs=True) as cloud, Hub(options=["--cloud", pubsub.write_config(cloud)]) as hub:
        pubsub.publish({"user_id": …})

It keeps nothing over a restart: `start` makes the topics anew, and ids of messages begin again. Names are those of
cloud.py.
"""

import base64
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import unittest

from .cloud import DEAD_LETTER_TOPIC, EVENTS_TOPIC, PROJECT, PROVISIONING_TOPIC
from .hub import PATIENCE_S, Answer, free_port, wait_until
from .http_request import send

START_PATIENCE_S = 120  # a JVM, beside other tests
PLACES = ("/usr/lib/google-cloud-sdk", "/usr/share/google-cloud-sdk", "/opt/google-cloud-sdk")


def find_program():
    for place in (os.environ.get("CLOUDSDK_ROOT_DIR", ""), *PLACES):
        program = pathlib.Path(place) / "platform/pubsub-emulator/bin/cloud-pubsub-emulator"
        if place and program.exists():
            return program
    raise unittest.SkipTest("the Pub/Sub emulator is not there: tools/install-packages --test")


class Emulator:
    """Starts in `__enter__`."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="slipway-pubsub-"))
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = None

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *_):
        if self.process is not None and self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- the process

    def start(self):
        with open(self.folder / "emulator.log", "ab") as log:
            self.process = subprocess.Popen(
                [find_program(), "--host=127.0.0.1", f"--port={self.port}"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        wait_until(lambda: self.process.poll() is not None or self._answers(), "the emulator answers", START_PATIENCE_S)
        if self.process.poll() is not None:
            raise AssertionError(f"the emulator ended:\n{(self.folder / 'emulator.log').read_text()}")
        for topic in (PROVISIONING_TOPIC, EVENTS_TOPIC, DEAD_LETTER_TOPIC):
            self.call("PUT", self.topic_path(topic), {})

    def kill(self):
        """The script starts a JVM below it: the whole group goes."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def pause(self):
        """Connections stay, and nothing is answered."""
        os.killpg(self.process.pid, signal.SIGSTOP)

    def resume(self):
        os.killpg(self.process.pid, signal.SIGCONT)

    def _answers(self):
        try:
            return self.request("GET", f"/v1/projects/{PROJECT}/topics").status == 200
        except OSError:
            return False

    # ---- HTTP

    def request(self, method, path, body=None):
        return send(self.port, method, path, body, timeout_s=PATIENCE_S)

    def call(self, method, path, body=None):
        answer: Answer = self.request(method, path, body)
        if answer.status != 200:
            raise AssertionError(f"{method} {path}: {answer.status} {answer.text[:2000]}")
        return answer.json

    @staticmethod
    def topic_path(topic):
        return f"/v1/projects/{PROJECT}/topics/{topic}"

    @staticmethod
    def subscription_path(subscription):
        return f"/v1/projects/{PROJECT}/subscriptions/{subscription}"

    # ---- as another client

    def subscribe(self, subscription, topic, **fields):
        """`fields`: members of the subscription as Pub/Sub's API has them. It gets what is published from now on."""
        name = f"projects/{PROJECT}/topics/{topic}"
        self.call("PUT", self.subscription_path(subscription), {"topic": name, **fields})

    def publish_all(self, messages, ordering_key=None, attributes=None):
        """Publishes JSON values, or bytes as they are; gives the messages' ids."""
        wire = []
        for message in messages:
            data = message if isinstance(message, bytes) else json.dumps(message).encode()
            wire.append({"data": base64.b64encode(data).decode()})
            if ordering_key:
                wire[-1]["orderingKey"] = ordering_key
            if attributes:
                wire[-1]["attributes"] = attributes
        return self.call("POST", self.topic_path(PROVISIONING_TOPIC) + ":publish", {"messages": wire})["messageIds"]

    def publish(self, message, **options):
        return self.publish_all([message], **options)[0]

    def pull_all(self, subscription):
        """Pulls and acknowledges what is there; gives the messages with their data as text."""
        path = self.subscription_path(subscription)
        received = self.call("POST", path + ":pull", {"maxMessages": 1000, "returnImmediately": True})
        received = received.get("receivedMessages", [])
        if received:
            self.call("POST", path + ":acknowledge", {"ackIds": [one["ackId"] for one in received]})
        messages = [one["message"] for one in received]
        for message in messages:
            message["text"] = base64.b64decode(message.get("data", "")).decode(errors="replace")
        return messages

    # ---- the hub's side

    def write_config(self, cloud, **sections):
        """The cloud file of a hub that works with `cloud`, but for Pub/Sub, which is this."""
        endpoints = {**cloud.config()["google"]["endpoints"], "pubsub": self.url}
        sections.setdefault("google", {})["endpoints"] = endpoints
        return cloud.write_config(self.folder / "cloud.toml", **sections)
