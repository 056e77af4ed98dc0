"""Every route of the API's document is asked wrongly, in thousands of ways, by an admin, by a stranger and by nobody.

Each answer fits the document, is never the hub's fault, says what is wrong where one thing is, and tells nothing of what
belongs to others. SLIPWAY_FUZZ_SEED=N repeats a run; SLIPWAY_FUZZ_DENSITY=N asks more of each kind (usually 5)."""

import collections
import gzip
import hashlib
import http.client
import json
import os
import pathlib
import random
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.cloud import Cloud  # noqa: E402
from support.contract import Violation, contract  # noqa: E402
from support.hostile import Maker, sample  # noqa: E402
from support.hub import Hub, wait_until  # noqa: E402
from support.postgres import Postgres  # noqa: E402

SEED = int(os.environ.get("SLIPWAY_FUZZ_SEED", "20250112"))
DENSITY = int(os.environ.get("SLIPWAY_FUZZ_DENSITY", "5"))
CANARY = "canary-7f3a9c"
BODY_LIMIT = 1 << 20  # above it the hub may close before it has read everything
GROWTH_MAX_KB = 256 * 1024
FAILURES_SHOWN = 25
NOWHERE = "http://127.0.0.1:1"  # where webhooks go: nobody listens
RANGE = {"from", "until", "since", "startsAt", "endsAt", "cron"}  # of what does not fit together, either may be named


class Client:
    """One caller on one connection, which is made anew when the hub closed it."""

    def __init__(self, port, key):
        self.port = port
        self.key = key
        self.connection = None

    def send(self, case):
        """Gives status, headers and text; the text of a live stream is empty."""
        if self.connection is not None:
            try:
                return self._try(case)
            except (OSError, http.client.HTTPException):
                self.close()  # it may have been closed after the answer before
        return self._try(case)

    def _try(self, case):
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        names = {name.lower() for name in case.headers}
        self.connection.putrequest(case.method, case.target, skip_host="host" in names, skip_accept_encoding=True)
        if self.key is not None and "authorization" not in names:
            self.connection.putheader("Authorization", f"Bearer {self.key}")
        for name, value in case.headers.items():
            self.connection.putheader(name, value.encode("latin-1"))
        if case.body is not None or case.method not in ("GET", "DELETE", "OPTIONS", "TRACE"):
            self.connection.putheader("Content-Length", str(len(case.body or b"")))
        self.connection.endheaders(case.body)
        response = self.connection.getresponse()
        streams = (response.headers.get("Content-Type") or "").startswith("text/event-stream")
        content = b"" if streams else response.read()
        if response.headers.get("Content-Encoding") == "gzip":
            content = gzip.decompress(content)
        text = content.decode()
        if streams or response.will_close:
            self.close()
        return response.status, response.headers, text

    def close(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None


class World:
    """A hub with a victim's things in it, and with things of those who ask. No workspace gets a machine: the queue is
    paused; nor does any workstation but those that are made here."""

    def __init__(self, hub, cloud):
        self.hub = hub
        self.keys = {"admin": hub.key, "nobody": None}
        self.users = {}
        for name in ("victim", "stranger"):
            made = hub.post("/v1/api-keys", {"name": f"{name}-{CANARY}" if name == "victim" else name}).expect(201)
            self.keys[name], self.users[name] = made["key"], made["user_id"]
        self.spare_key = hub.post("/v1/api-keys", {"name": "spare"}).expect(201)["id"]
        hub.put("/v1/queues/workspaces", {"concurrency": 1}).expect(200)
        hub.patch("/v1/queues/workspaces", {"paused": True}).expect(200)
        hub.put("/v1/queues/fuzzed", {"concurrency": 1}).expect(200)
        schedule = {"name": "fuzzed", "type": "hub.forget-old", "cron": "@yearly"}
        self.schedule = hub.post("/v1/schedules", schedule).expect(201)["id"]
        self.workspaces, self.runs = {}, {}
        for name in ("admin", "victim", "stranger"):
            secret = CANARY if name == "victim" else "plain"
            asked = {"name": f"{name}-{secret}", "metadata": {"repo": f"https://{secret}.example"}, "environment": {"TOKEN": secret}}
            made = hub.post("/v1/workspaces", asked, key=self.keys[name]).expect(202)
            self.workspaces[name], self.runs[name] = made["workspace"]["id"], made["run"]["id"]
        self.webhooks, self.deliveries = {}, {}
        for name in ("admin", "victim", "stranger"):
            secret = CANARY if name == "victim" else "plain"
            asked = {"url": f"{NOWHERE}/{secret}", "eventTypes": ["*"], "description": secret}
            self.webhooks[name] = hub.post("/v1/webhooks", asked, key=self.keys[name]).expect(201)["id"]
            ping = hub.post(f"/v1/webhooks/{self.webhooks[name]}/ping", key=self.keys[name]).expect(202)
            self.deliveries[name] = ping["id"]
        self.workstations = {name: self.provision(name) for name in ("admin", "victim", "stranger")}
        self.alerts = self.lose_machines(cloud)
        hub.put("/v1/queues/workstations", {"concurrency": 1}).expect(200)
        hub.patch("/v1/queues/workstations", {"paused": True}).expect(200)
        for secret in (CANARY, "plain"):
            cloud.publish({"user_id": secret, "tier": "no-such"})
        self.messages = [message["id"] for message in wait_until(lambda: self.refused(2), "both are refused")]
        self.jobs = self.push_templates()
        # What no answer to others may hold.
        victims = (self.users, self.workspaces, self.runs, self.webhooks, self.deliveries, self.workstations, self.alerts)
        self.secrets = [CANARY, *(things["victim"] for things in victims)]

    def push_templates(self):
        """Two templates, whose imports wait for a daemon that never comes; gives the ids of their jobs. The archive
        that requests name by themselves is there: that of nothing at all."""
        nothing = hashlib.sha256(b"").hexdigest()
        self.hub.put(f"/v1/blobs/{nothing}", b"", headers={"Content-Type": "application/octet-stream"}).expect(200)
        for name in ("fuzzed", "another"):
            body = {"archive": nothing, "provisioner": "scripted"}
            self.hub.post(f"/v1/templates/{name}/versions", body).expect(202)
        return [job["id"] for job in wait_until(self.two_jobs, "both imports are in line")]

    def two_jobs(self):
        found = self.hub.get("/v1/jobs").expect(200)
        return found if len(found) == 2 else None

    def provision(self, name):
        """A workstation that runs; gives its id."""
        secret = CANARY if name == "victim" else "plain"
        order = {
            "userId": self.users.get(name, name), "organizationId": f"org-{secret}", "tier": "starter",
            "userEmail": f"{secret}@example.com", "environment": {"TOKEN": secret},
        }  # fmt: skip
        made = self.hub.post("/v1/workstations", order).expect(202)
        self.hub.await_completed(made["run"]["id"])
        return made["workstationId"]

    def lose_machines(self, cloud):
        """Further workstations, whose machines somebody took away; gives the alerts of that."""
        lost = {name: self.provision(name) for name in ("victim", "stranger")}
        for machine in cloud.machines():
            if machine["name"].rsplit("/", 1)[1] in lost.values():
                cloud.call("DELETE", f"/v1/{machine['name']}")
        self.hub.await_completed(self.hub.post("/v1/workstations/sweep").expect(202)["run"]["id"])
        alerts = {alert["resourceId"]: alert["id"] for alert in self.hub.get("/v1/alerts").expect(200)}
        return {name: alerts[workstation] for name, workstation in lost.items()}

    def refused(self, count):
        found = self.hub.get("/v1/messages?outcome=refused").expect(200)
        return found if len(found) == count else None

    def ids(self, caller):
        """What a path's parameter is filled with. The victim's things are there for those who must not get at them."""
        mine = caller if caller in self.workspaces else "victim"
        whose = [mine] if caller == "admin" else [mine, "victim"]
        known = {
            "workspaces": [self.workspaces[name] for name in whose],
            "runs": [self.runs[name] for name in whose],
            "why": [self.workspaces[name] for name in whose] + [self.runs[name] for name in whose],
            "schedules": [self.schedule, "fuzzed"],
            "queues": ["fuzzed"],
            "api-keys": [self.spare_key],
            "webhooks": [self.webhooks[name] for name in whose],
            "deliveries": [self.deliveries[name] for name in whose],
            "workstations": [self.workstations[name] for name in whose],
            "organizations": ["org-plain", f"org-{CANARY}"],
            "messages": self.messages,
            "alerts": list(self.alerts.values()),
            "audit": ["1"],
            "templates": ["fuzzed", "another"],
            "versions": ["v1"],
            "jobs": self.jobs,
        }
        return lambda collection: known.get(collection, ["workspace.create", "unknown"])


def take_away_workspaces(hub):
    """Deletes them all; none has a machine."""
    runs = []
    while found := hub.get("/v1/workspaces?owner=all&limit=200").expect(200):
        for workspace in found:
            runs.append(hub.delete(f"/v1/workspaces/{workspace['id']}").expect(202)["run"]["id"])
        for run in runs:
            hub.await_run(run)


def memory_kb(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError("the hub is gone")


def error_of(headers, text):
    """Code, message and details of an error, in whichever form it came."""
    answer = json.loads(text)
    if (headers.get("Content-Type") or "").startswith("application/problem+json"):
        return answer["code"], answer["detail"], answer.get("details") or {}
    return answer["error"]["code"], answer["error"]["message"], answer["error"].get("details") or {}


def judge(case, caller, status, headers, text, secrets):
    """Throws AssertionError for an answer that is not as it must be."""
    if status >= 500 and not (status == 501 and case.method in ("TRACE", "BREW")):
        raise AssertionError(f"{status}: {text[:500]}")
    if contract().find(case.method, case.target) is not None:
        contract().check(case.method, case.target, case.body, status, headers, text)
    sent = f"{case.target} {case.headers} {(case.body or b'').decode(errors='replace')}"
    told = f"{headers}\n{text}"
    if caller != "admin":
        for secret in secrets:
            if secret in told and secret not in sent:
                raise AssertionError(f"{status} tells what belongs to another ({secret}): {told[:1000]}")
    if status == 405 and not headers.get("Allow"):
        raise AssertionError("405 does not say what is allowed")
    if not 400 <= status < 500 or case.method == "HEAD":
        return
    code, message, details = error_of(headers, text)
    if len(message) < 5 or len(text) > 20_000:
        raise AssertionError(f"{code} has a message of {len(message)} and a body of {len(text)} characters")
    if code == "VALIDATION_ERROR":
        field = details.get("field")
        if not field:
            raise AssertionError(f"VALIDATION_ERROR names no field: {text[:500]}")
        wrong = case.field
        named = not wrong or wrong.endswith("/KEY") or field.startswith(wrong) or wrong.startswith(field)
        if not named and field != "body" and not {field, wrong} <= RANGE:
            raise AssertionError(f"'{wrong}' is wrong, but the answer names '{field}': {message}")


class BadInputTest(unittest.TestCase):
    def ask_everything(self, world, density):
        """Gives how many requests were answered with which status, and what was wrong with the answers."""
        statuses, failures = collections.Counter(), []
        for caller in ("admin", "stranger", "nobody"):
            client = Client(world.hub.port, world.keys[caller])
            maker = Maker(contract(), random.Random(f"{SEED}/{caller}"), world.ids(caller), {"url": NOWHERE})
            for operation in contract().operations:
                for case in maker.cases(operation, density if caller != "nobody" else 1):
                    try:
                        status, headers, text = client.send(case)
                        statuses[status] += 1
                        judge(case, caller, status, headers, text, world.secrets)
                    except (OSError, http.client.HTTPException) as error:
                        client.close()
                        if len(case.body or b"") < BODY_LIMIT:
                            failures.append(f"{caller}: {case}\n    no answer: {error!r}")
                    except (AssertionError, ValueError, KeyError) as error:
                        failures.append(f"{caller}: {case}\n    {type(error).__name__}: {str(error)[:1000]}")
            client.close()
        return statuses, failures

    def check(self, hub, cloud):
        world = World(hub, cloud)
        began, before = time.monotonic(), memory_kb(hub.process.pid)
        statuses, failures = self.ask_everything(world, DENSITY)
        growth = memory_kb(hub.process.pid) - before
        print(f"seed {SEED}: {sum(statuses.values())} requests in {time.monotonic() - began:.0f} s, {dict(statuses)}, {growth} KB more")
        shown = "\n".join(failures[:FAILURES_SHOWN])
        self.assertEqual([], failures[:1], f"{len(failures)} of them, with SLIPWAY_FUZZ_SEED={SEED}:\n{shown}")
        self.assertEqual(200, hub.get("/health", key=None).status)
        self.assertLess(growth, GROWTH_MAX_KB)

    def start(self, *options):
        """Gives a hub and its cloud; whatever is made there is made at once."""
        cloud = self.enterContext(Cloud(configs=True))
        hub = self.enterContext(Hub(options=["--webhook-allow-private", "--cloud", cloud.write_config(), *options]))
        self.addCleanup(take_away_workspaces, hub)
        return hub, cloud

    def test_no_request_is_the_hubs_fault_or_tells_of_others(self):
        self.check(*self.start())

    def test_nor_is_it_over_postgres(self):
        database = Postgres()
        self.addCleanup(database.close)
        self.check(*self.start("--database", database.url))

    def test_a_cursor_belongs_to_its_question(self):
        hub, cloud = self.start()
        World(hub, cloud)  # of everything there are several
        hub.post("/v1/schedules", {"name": "another", "type": "hub.forget-old", "cron": "@yearly"}).expect(201)
        hub.post("/v1/webhooks", {"url": NOWHERE, "eventTypes": ["*"]}).expect(201)
        lists = [
            operation
            for operation in contract().operations
            if "cursor" in contract().parameters(operation, "query") and "{" not in operation.path
        ]
        self.assertGreater(len(lists), 4)
        cursors = {each.path: self.check_cursor(hub, each) for each in lists}
        for operation in lists:
            for path, cursor in cursors.items():
                if path != operation.path:
                    self.refuse_cursor(hub, operation, f"cursor={cursor}")

    def refuse_cursor(self, hub, operation, query):
        refused = hub.get(f"{operation.path}?{query}").expect_error(400, "VALIDATION_ERROR")
        self.assertEqual("cursor", refused["details"]["field"], f"{operation}: {query}")

    def check_cursor(self, hub, operation):
        """Goes through the whole list with it, and asks it wrongly. Gives one."""
        everyone = "&owner=all" if "owner" in contract().parameters(operation, "query") else ""
        first = hub.get(f"{operation.path}?limit=1{everyone}").json["meta"]["pagination"]["nextCursor"]
        seen, cursor = 1, first
        while cursor is not None:
            page = hub.get(f"{operation.path}?limit=2&cursor={cursor}{everyone}")
            seen += len(page.expect(200))
            cursor = page.json["meta"]["pagination"].get("nextCursor")
        self.assertEqual(len(hub.get(f"{operation.path}?limit=200{everyone}").expect(200)), seen, str(operation))
        for wrong in ("x", "1", "...", "%ff", "0" * 12 + first[12:]):
            answer = hub.get(f"{operation.path}?cursor={wrong}{everyone}")
            self.assertEqual(400, answer.status, f"{operation}: {wrong}: {answer.text}")
        for name, parameter in contract().parameters(operation, "query").items():
            schema = contract().resolve(parameter["schema"])
            if name in ("limit", "page", "cursor", "owner", "sort") or "array" in schema.get("type", ""):
                continue
            value = "true" if schema.get("type") == "boolean" else sample(contract(), schema)
            self.refuse_cursor(hub, operation, f"cursor={first}{everyone}&{name}={value}")
        return first


if __name__ == "__main__":
    print(f"SLIPWAY_FUZZ_SEED={SEED}", flush=True)
    unittest.main(verbosity=2)
