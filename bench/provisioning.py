"""P-11: what one provisioning adds to the cloud's own time, alone and among 1,000, and what each of those costs.

The cloud is the simulator with fixed delays. Its ledger says how long it worked for each workstation; what the run took
beyond that, from the order until the step update-record had ended, is ours.
"""

import datetime
import http.client
import json
import os
import pathlib
import threading
import time

from hub import resident_mb
from measure import ROUNDS, median, program, table, verdict
from support.cloud import Cloud
from support.hub import Hub

CREATE_S, START_S = 10, 20
CLOUD_S = CREATE_S + START_S
IN_FLIGHT = int(os.environ.get("BENCH_IN_FLIGHT", "1000"))
MEASURED_S = 15  # orders of so long are measured, and all others are there to keep as many in flight meanwhile
SPARE_S = 3  # for the last of those that are measured
GOAL_SHARE = 0.01
GOAL_CPU = 0.01
GOAL_MB = 5


class Client:
    """One connection to the hub, without the tests' checks: they cost more than what is measured."""

    def __init__(self, hub):
        self.connection = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=60)
        self.headers = {"Authorization": f"Bearer {hub.key}", "Content-Type": "application/json"}

    def ask(self, method, path, body=None):
        self.connection.request(method, path, body=body and json.dumps(body), headers=self.headers)
        response = self.connection.getresponse()
        text = response.read()
        if response.status >= 300:
            raise SystemExit(f"{method} {path}: {response.status} {text[:2000]}")
        return json.loads(text)["data"]

    def order(self, user):
        """Gives (when it was asked for, the workstation's id, the run's id)."""
        asked_at = time.time()
        body = {"userId": user, "organizationId": "bench", "tier": "starter", "userEmail": f"{user}@example.com"}
        accepted = self.ask("POST", "/v1/workstations", body)
        return asked_at, accepted["workstationId"], accepted["run"]["id"]

    def recorded_at(self, run):
        """When the run's update-record had ended; nothing if it has not."""
        steps = {step["name"]: step for step in self.ask("GET", f"/v1/workflows/runs/{run}")["steps"]}
        ended = steps.get("update-record", {}).get("completedAt")
        return seconds(ended) if ended else None


def seconds(rfc3339):
    return datetime.datetime.fromisoformat(rfc3339).timestamp()


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cloud_seconds(cloud):
    """How long the cloud itself worked for each workstation that runs, by id."""
    worked = {}
    for verb in ("create", "start"):
        begun = {entry["operation"]: seconds(entry["at"]) for entry in cloud.ledger(f"workstation.{verb}")}
        for entry in cloud.ledger(f"workstation.{verb}.done"):
            workstation = entry["resource"].rsplit("/", 1)[1]
            took = seconds(entry["at"]) - begun[entry["operation"]]
            worked[workstation] = worked.get(workstation, 0) + took
    return worked


def added(client, cloud, orders):
    """The share of the cloud's time that each order took beyond it."""
    worked = cloud_seconds(cloud)
    shares = []
    for asked_at, workstation, run in orders:
        ended = client.recorded_at(run)
        if ended is None:
            raise SystemExit(f"run {run} has not ended in time")
        shares.append((ended - asked_at) / worked[workstation] - 1)
    return sorted(shares)


def order_steadily(client, until, orders, per_second):
    began = time.monotonic()
    while time.monotonic() < until:
        orders.append(client.order(f"user-{len(orders)}"))
        time.sleep(max(0, began + len(orders) / per_second - time.monotonic()))


def alone(hub, cloud):
    client = Client(hub)
    order = client.order("alone")
    time.sleep(CLOUD_S)
    while client.recorded_at(order[2]) is None:
        time.sleep(0.2)
    return added(client, cloud, [order])[0]


def among_many(hub, cloud):
    pid, idle_mb = hub.process.pid, resident_mb(hub.process.pid)
    began, orders = time.monotonic(), []
    full, end = began + CLOUD_S, began + CLOUD_S + MEASURED_S + CLOUD_S + SPARE_S
    thread = threading.Thread(target=order_steadily, args=(Client(hub), end, orders, IN_FLIGHT / CLOUD_S))
    thread.start()
    time.sleep(full - time.monotonic())
    full_at = time.time()
    first, cpu, calls = len(orders), cpu_seconds(pid), cloud.status()["requests"]
    time.sleep(MEASURED_S)
    last = len(orders)
    time.sleep(CLOUD_S)
    elapsed = time.monotonic() - full
    cpu, calls_end = cpu_seconds(pid) - cpu, cloud.status()["requests"]
    ordered = len(orders) - first
    grown_mb = resident_mb(pid) - idle_mb
    thread.join()
    shares = added(Client(hub), cloud, orders[first:last])
    # As many as the machine let us order: fewer than wanted when it is busy, and then the figures are those of fewer.
    half_way = full_at + MEASURED_S
    in_flight = sum(half_way - CLOUD_S <= asked_at < half_way for asked_at, _, _ in orders)
    made = {name: (count - calls.get(name, 0)) for name, count in calls_end.items() if "simulator" not in name}
    return {
        "median": median(shares),
        "p99": shares[int(len(shares) * 0.99)],
        "in_flight": in_flight,
        "rate": ordered / elapsed,
        "cpu": cpu / (in_flight * elapsed),
        "mb": grown_mb / in_flight,
        "calls": sum(made.values()) / ordered,
        "by_call": {name: round(count / ordered, 3) for name, count in made.items() if count},
    }


def one_round():
    program("slipway-simulator")
    options = ["--delay", f"create={CREATE_S}", "--delay", f"start={START_S}"]
    # The intervals are those of a hub that was told nothing.
    with Cloud(time_scale=1, options=options, configs=True) as cloud:
        cloud.skip(60)  # the configs are made
        config = cloud.write_config(workstations={"poll_every": "10s", "watch_every": "250ms"})
        with Hub(options=["--log-level", "error", "--cloud", config]) as hub:
            return {"alone": alone(hub, cloud), **among_many(hub, cloud)}


def p11():
    rounds = []
    for _ in range(ROUNDS):
        rounds.append(one_round())
        if os.environ.get("BENCH_VERBOSE"):
            print(rounds[-1], flush=True)

    def of(name, factor=1):
        return [result[name] * factor for result in rounds]

    table(
        f"A workstation that takes the cloud {CREATE_S} + {START_S} s: beyond that, until it stands in the record",
        [("alone", of("alone", 100), "%"), (f"median of those among {IN_FLIGHT:,}", of("median", 100), "%"),
         ("p99 of them", of("p99", 100), "%"), ("in flight half-way", of("in_flight"), ""),
         ("orders", of("rate"), "a second"),
         ("processor of the hub, for each in flight", of("cpu"), "vCPU"),
         ("memory it grew by, for each in flight", of("mb"), "MB"),
         ("calls of the cloud, for each order", of("calls"), "")],
    )  # fmt: skip
    verdict("P-11", [share / GOAL_SHARE for share in of("alone")], "<1", "alone over 1 %")
    verdict("P-11", [value / GOAL_CPU for value in of("cpu")], "<=1", "processor")
    verdict("P-11", [value / GOAL_MB for value in of("mb")], "<=1", "memory")
    verdict("P-11", [share / GOAL_SHARE for share in of("median")], "<1", "among many over 1 %")


BENCHES = {"P-11": p11}
