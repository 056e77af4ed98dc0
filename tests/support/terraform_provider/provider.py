#!/usr/bin/python3
"""A Terraform provider for tests: `slipwaytest_machine`.

What really exists stands in a ledger, the file that MACHINE_LEDGER names: a line of JSON for each thing that was done,
written and synced before Terraform hears of it. So a test can compare what exists with what a state says.

A machine has a `name` (another one: replaced), a `size` (changed in place), `delay_ms` (how long its creation takes),
`gate` (a file: the creation takes until that is there), `fail` (`create` or `destroy`: an error on demand; `stop-deaf`: a creation that no interrupt ends; `plan`: a plan that
ends only by one), and of its own an `id` and a secret `token`.
"""

import concurrent.futures
import json
import os
import signal
import sys
import threading
import uuid

import grpc
import msgpack

UNKNOWN = msgpack.ExtType(0, b"\x00")
stopped = threading.Event()
ledger_lock = threading.Lock()


def note(operation, **facts):
    line = json.dumps({"op": operation, **facts}) + "\n"
    with ledger_lock:
        ledger = os.open(os.environ["MACHINE_LEDGER"], os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
        os.write(ledger, line.encode())
        os.fsync(ledger)
        os.close(ledger)


def world():
    """The machines that exist, by id."""
    machines = {}
    try:
        with open(os.environ["MACHINE_LEDGER"], encoding="utf-8") as ledger:
            entries = [json.loads(line) for line in ledger]
    except FileNotFoundError:
        return machines
    for entry in entries:
        if entry["op"] in ("create", "update"):
            machines[entry["id"]] = {key: value for key, value in entry.items() if key != "op"}
        elif entry["op"] == "destroy":
            machines.pop(entry["id"], None)
    return machines


class Provider:
    def __init__(self, messages):
        self.m = messages

    def decode(self, value):
        if value.msgpack:
            return msgpack.unpackb(value.msgpack, raw=False, strict_map_key=False)
        return json.loads(value.json or b"null")

    def encode(self, thing):
        return self.m.Value(msgpack=msgpack.packb(thing))

    def error(self, summary, detail=""):
        return [self.m.Diagnostic(severity=1, summary=summary, detail=detail)]

    def GetSchema(self, request):
        m = self.m
        machine = m.Schema(block=m.Block(attributes=[
            m.Attribute(name="id", type=b'"string"', computed=True),
            m.Attribute(name="name", type=b'"string"', required=True),
            m.Attribute(name="size", type=b'"string"', optional=True),
            m.Attribute(name="delay_ms", type=b'"number"', optional=True),
            m.Attribute(name="gate", type=b'"string"', optional=True),
            m.Attribute(name="fail", type=b'"string"', optional=True),
            m.Attribute(name="token", type=b'"string"', computed=True, sensitive=True),
        ]))  # fmt: skip
        return m.SchemaAnswer(provider=m.Schema(block=m.Block()), resource_schemas={"slipwaytest_machine": machine})

    def PrepareProviderConfig(self, request):
        return self.m.PrepareAnswer(prepared_config=request.config)

    def ValidateResourceTypeConfig(self, request):
        return self.m.ValidateAnswer()

    def UpgradeResourceState(self, request):
        return self.m.UpgradeAnswer(upgraded_state=self.encode(json.loads(request.raw_state.json)))

    def Configure(self, request):
        return self.m.ConfigureAnswer()

    def ReadResource(self, request):
        state = self.decode(request.current_state)
        machine = world().get(state["id"])
        if machine is None:
            return self.m.ReadAnswer(new_state=self.encode(None))
        state.update(name=machine["name"], size=machine["size"])
        return self.m.ReadAnswer(new_state=self.encode(state))

    def PlanResourceChange(self, request):
        m = self.m
        planned, before = self.decode(request.proposed_new_state), self.decode(request.prior_state)
        replaced = []
        if planned is not None and planned["fail"] == "plan":
            note("planning", name=planned["name"])
            stopped.wait()
            return m.PlanAnswer(diagnostics=self.error("Interrupted"))
        if planned is not None and (before is None or before["name"] != planned["name"]):
            planned.update(id=UNKNOWN, token=UNKNOWN)
            if before is not None:
                replaced = [m.Path(steps=[m.Step(attribute_name="name")])]
        return m.PlanAnswer(planned_state=self.encode(planned), requires_replace=replaced)

    def ApplyResourceChange(self, request):
        planned, before = self.decode(request.planned_state), self.decode(request.prior_state)
        if planned is None:
            if before.get("fail") == "destroy":
                return self.m.ApplyAnswer(new_state=request.prior_state, diagnostics=self.error("The machine stays"))
            note("destroy", id=before["id"], name=before["name"])
            return self.m.ApplyAnswer(new_state=self.encode(None))
        if before is not None:
            note("update", id=before["id"], name=planned["name"], size=planned["size"])
            return self.m.ApplyAnswer(new_state=self.encode(planned))
        return self.create(planned)

    def create(self, planned):
        note("begin", name=planned["name"], pid=os.getpid())
        halt = threading.Event() if planned["fail"] == "stop-deaf" else stopped
        interrupted = halt.wait(float(planned["delay_ms"] or 0) / 1000)
        while planned["gate"] and not interrupted and not os.path.exists(planned["gate"]):
            interrupted = halt.wait(0.02)
        if interrupted:
            return self.m.ApplyAnswer(new_state=self.encode(None), diagnostics=self.error("Interrupted"))
        if planned["fail"] == "create":
            return self.m.ApplyAnswer(
                new_state=self.encode(None), diagnostics=self.error("No machine", "The cloud is full."))  # fmt: skip
        machine = str(uuid.uuid4())
        note("create", id=machine, name=planned["name"], size=planned["size"])
        planned.update(id=machine, token="token-of-" + machine)
        return self.m.ApplyAnswer(new_state=self.encode(planned))

    def Stop(self, request):
        stopped.set()
        return self.m.StopAnswer()


CALLS = {
    "GetSchema": "SchemaRequest", "PrepareProviderConfig": "PrepareRequest",
    "ValidateResourceTypeConfig": "ValidateRequest", "UpgradeResourceState": "UpgradeRequest",
    "Configure": "ConfigureRequest", "ReadResource": "ReadRequest", "PlanResourceChange": "PlanRequest",
    "ApplyResourceChange": "ApplyRequest", "Stop": "StopRequest",
}  # fmt: skip


def handler(messages, call, request_type):
    return grpc.unary_unary_rpc_method_handler(
        lambda request, context: call(request),
        request_deserializer=getattr(messages, request_type).FromString,
        response_serializer=lambda answer: answer.SerializeToString(),
    )


def shut_down(request):
    threading.Timer(0.02, lambda: os._exit(0)).start()
    return b""


def main():
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as providers do: Terraform tells them by Stop
    import plugin_pb2 as messages

    provider = Provider(messages)
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(16))
    calls = {name: handler(messages, getattr(provider, name), request) for name, request in CALLS.items()}
    controller = {"Shutdown": grpc.unary_unary_rpc_method_handler(lambda request, context: shut_down(request))}
    server.add_generic_rpc_handlers((
        grpc.method_handlers_generic_handler("tfplugin5.Provider", calls),
        grpc.method_handlers_generic_handler("plugin.GRPCController", controller),
    ))  # fmt: skip
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(f"1|5|tcp|127.0.0.1:{port}|grpc", flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    sys.exit(main())
