"""A simulated Google Cloud for a test: its own free port and folder; started, stopped, killed, and taken away.

    with Cloud() as cloud, Hub(options=["--cloud", cloud.write_config()]) as hub:
        cloud.faults({"kind": "lost_answer", "call": "workstations.create", "times": 1})
        …
        assert len(cloud.machines()) == 1

The cluster `main`, the topics and the subscription that a hub expects are there from the beginning, and the four
configs if `configs=True`. The program is that of SLIPWAY_SIMULATOR, else that beside SLIPWAY_BIN. What can go wrong on
demand stands in simulator/README.md.
"""

import base64
import http.client
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

from .hub import PATIENCE_S, SLIPWAY, Answer, free_port, wait_until

SIMULATOR = pathlib.Path(os.environ.get("SLIPWAY_SIMULATOR", SLIPWAY.parent / "slipway-simulator")).resolve()

PROJECT = "test-project"
REGION = "us-central1"
CLUSTER = "main"
PROVISIONING_TOPIC = "workstation-provisioning"
SUBSCRIPTION = "workstation-provisioning-sub"
EVENTS_TOPIC = "workstation-events"
DEAD_LETTER_TOPIC = "workstation-provisioning-dead"

# WP-2, in the members of a WorkstationConfig.
TIERS = {
    "starter": ("e2-medium", 50, "pd-balanced"),
    "professional": ("e2-highmem-4", 100, "pd-balanced"),
    "business": ("n2-highmem-8", 200, "pd-balanced"),
    "enterprise": ("n2-highmem-16", 500, "pd-balanced"),
}


class Cloud:
    """Starts in `__enter__`. `time_scale` 0: everything is done at the next look. `options` are further words for the
    simulator; `keep`: what exists survives `restart` and `kill` + `start`."""

    def __init__(self, time_scale=0, options=(), configs=False, keep=False, project=PROJECT, region=REGION):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="slipway-cloud-"))
        self.project, self.region = project, region
        self.credentials = self.folder / "credentials"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = None
        self._configs = configs
        self._token = None
        self._options = [
            "--port", self.port, "--project", project, "--region", region, "--time-scale", time_scale,
            "--write-credentials", self.credentials, "--cluster", CLUSTER,
            "--topic", PROVISIONING_TOPIC, "--topic", EVENTS_TOPIC, "--topic", DEAD_LETTER_TOPIC,
            "--subscription", f"{SUBSCRIPTION}:{PROVISIONING_TOPIC}", *options,
        ]  # fmt: skip
        if keep:
            self._options += ["--state", self.folder / "state.json"]

    def __enter__(self):
        try:
            self.start()
            if self._configs:
                self.make_configs()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *_):
        if self.is_running():
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- the process

    def start(self):
        assert not self.is_running(), "the simulator already runs"
        log = self.folder / "simulator.log"
        with open(log, "ab") as file:
            self.process = subprocess.Popen(
                [str(word) for word in (SIMULATOR, *self._options)],
                stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True,
            )  # fmt: skip
        wait_until(lambda: self.process.poll() is not None or self._answers(), "the simulator answers")
        if self.process.poll() is not None:
            raise AssertionError(f"the simulator ended with {self.process.returncode}:\n{log.read_text()}")

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def stop(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            return self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("the simulator did not stop") from None

    def kill(self):
        self.process.kill()
        self.process.wait()

    def restart(self):
        self.stop()
        self.start()

    def _answers(self):
        try:
            return self.request("GET", "/simulator/status", token=None).status == 200
        except OSError:
            return False

    # ---- HTTP

    def request(self, method, path, body=None, token="own", headers=()):
        """One request as a client of Google would send it. Gives an Answer."""
        sent = dict(headers)
        if token == "own":
            token = self.token()
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
            sent.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request(method, path, body=body, headers=sent)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read().decode(errors="replace"))
        finally:
            connection.close()

    def call(self, method, path, body=None):
        """The same, for what must succeed. Gives the JSON."""
        answer = self.request(method, path, body)
        if answer.status != 200:
            raise AssertionError(f"{method} {path}: {answer.status} {answer.text[:2000]}")
        return answer.json

    def token(self):
        """An access token of the service account; the same until it is revoked."""
        if self._token is None:
            self._token = self.new_token()
        return self._token

    def new_token(self):
        return self.request("GET", "/simulator/token", token=None).json["access_token"]

    # ---- what goes wrong

    def faults(self, *rules):
        """Adds rules; without any, gives those that there are, with what they `struck`."""
        if not rules:
            return self.request("GET", "/simulator/faults", token=None).json["rules"]
        return self._control("POST", "/simulator/faults", list(rules))["rules"]

    def clear_faults(self):
        self._control("DELETE", "/simulator/faults")

    def quotas(self, **limits):
        """Sets all quotas: what is not named has no limit."""
        return self._control("POST", "/simulator/quotas", limits)

    def revoke_tokens(self):
        self._token = None
        self._control("POST", "/simulator/revoke-tokens")

    def skip(self, seconds):
        """Lets the cloud's clock jump ahead."""
        return self._control("POST", "/simulator/clock", {"advance_s": seconds})

    def lose_machine(self, name):
        """Takes away the host of the workstation `name`, as somebody would in Compute Engine: drift."""
        host = self.call("GET", f"/v1/{name}")["runtimeHost"]["gceInstanceHost"]
        self.call("DELETE", f"/compute/v1/projects/{self.project}/zones/{host['zone']}/instances/{host['name']}")

    def _control(self, method, path, body=None):
        answer = self.request(method, path, body, token=None)
        if answer.status != 200:
            raise AssertionError(f"{method} {path}: {answer.status} {answer.text[:2000]}")
        return answer.json

    # ---- what happened in truth

    def ledger(self, effect=None):
        """Every effect so far, in order; `effect`: only that one, such as workstation.create."""
        path = "/simulator/ledger" + (f"?effect={effect}" if effect else "")
        return self._control("GET", path)["entries"]

    def machines(self):
        """The workstations that exist, as the API shows them."""
        return self._control("GET", "/simulator/machines")["now"]

    def machines_ever(self):
        return self._control("GET", "/simulator/machines")["ever"]

    def status(self):
        return self._control("GET", "/simulator/status")

    def requests(self):
        """The last thousand, with their call, status and fault."""
        return self._control("GET", "/simulator/requests")["requests"]

    def published(self, topic=EVENTS_TOPIC):
        """What was published to the topic: the messages' JSON, in order."""
        name = self.topic_name(topic)
        return [json.loads(entry["details"]["data"]) for entry in self.ledger("topic.publish") if entry["resource"] == name]

    # ---- making things, as another client

    def topic_name(self, topic):
        return f"projects/{self.project}/topics/{topic}"

    @property
    def cluster(self):
        return f"projects/{self.project}/locations/{self.region}/workstationClusters/{CLUSTER}"

    def publish(self, message, topic=PROVISIONING_TOPIC, attributes=None):
        """Publishes JSON, or bytes as they are; gives the message's id."""
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        wire = {"data": base64.b64encode(data).decode()}
        if attributes:
            wire["attributes"] = attributes
        path = f"/v1/{self.topic_name(topic)}:publish"
        return self.call("POST", path, {"messages": [wire]})["messageIds"][0]

    def make_configs(self):
        """The four tiers' configs, as `slipway workstations setup` would."""
        for tier, (machine_type, size_gb, disk_type) in TIERS.items():
            self.call(
                "POST", f"/v1/{self.cluster}/workstationConfigs?workstationConfigId={tier}",
                {
                    "host": {"gceInstance": {"machineType": machine_type}},
                    "persistentDirectories": [
                        {"mountPath": "/home", "gcePd": {"sizeGb": size_gb, "diskType": disk_type}}
                    ],
                },
            )  # fmt: skip

    # ---- the hub's side

    def config(self, credentials="service-account.json", mail=None, **sections):
        """The hub's cloud file as a value. `mail`: the section; by default mails go into `self.mail`. `sections`: more
        keys by section, such as workstations={"poll_every": "100ms"}."""
        config = {
            "google": {
                "project": self.project,
                "location": self.region,
                "credentials": str(self.credentials / credentials) if credentials.endswith(".json") else credentials,
                "endpoints": {
                    "workstations": self.url,
                    "pubsub": self.url,
                    "compute": self.url,
                    "oauth_token": f"{self.url}/token",
                    "sts": f"{self.url}/v1/token",
                    "iam_credentials": self.url,
                    "metadata": f"127.0.0.1:{self.port}",
                },
            },
            "workstations": {"default_cluster": CLUSTER, "poll_every": "100ms", "watch_every": "50ms"},
            "pubsub": {
                "subscription": SUBSCRIPTION,
                "events_topic": EVENTS_TOPIC,
                "dead_letter_topic": DEAD_LETTER_TOPIC,
            },
            "mail": mail or {"url": f"folder:{self.mail}"},
        }
        for section, keys in sections.items():
            config.setdefault(section, {}).update(keys)
        return config

    def write_config(self, path=None, **options):
        """Writes the hub's cloud file (for `slipway serve --cloud FILE`); gives its path."""
        path = pathlib.Path(path or self.folder / "cloud.toml")
        path.write_text(to_toml(self.config(**options)))
        return path

    @property
    def mail(self):
        """The folder that mails are written to."""
        folder = self.folder / "mail"
        folder.mkdir(exist_ok=True)
        return folder


def to_toml(value, prefix=()):
    """TOML of nested dicts, lists of dicts, and plain values."""
    plain = {key: item for key, item in value.items() if not isinstance(item, dict) and not _is_table_list(item)}
    lines = [f"{key} = {json.dumps(item, ensure_ascii=False)}" for key, item in plain.items()]
    if prefix and (lines or not value):
        lines.insert(0, f"[{'.'.join(prefix)}]")
    for key, item in value.items():
        if isinstance(item, dict):
            lines.append("\n" + to_toml(item, (*prefix, key)).rstrip())
        elif _is_table_list(item):
            for table in item:
                lines.append(f"\n[[{'.'.join((*prefix, key))}]]\n" + to_toml(table).rstrip())
    return "\n".join(lines) + "\n"


def _is_table_list(value):
    return isinstance(value, list) and value and all(isinstance(item, dict) for item in value)
