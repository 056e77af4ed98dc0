#!/usr/bin/env python3
"""A storm over builds: two hubs on one PostgreSQL, four provisioner daemons, and all of them killed with SIGKILL every few
seconds, while users build, change, stop and take away workspaces and cut some builds short (RUN-3, RUN-4, RUN-7, RUN-9,
RUN-11 to RUN-13, RUN-15).

Most templates are scripted, some are Terraform's with a provider that keeps a ledger. One wants a daemon that is away for
a while. What a killed daemon has started is left to itself, and must come to a good end by itself.

In the end every build ended in one way and said so once, every job that waited said why, no thing of either world is
unknown to the states or was made twice, states know of nothing that is not there, all locks are free, and quotas are what
is there.

SLIPWAY_STORM_BUILDS: how many builds (default 60; 200 for a whole storm). SLIPWAY_STORM_SECONDS: how long the kills go
on at most (default 150). SLIPWAY_SEED: repeats the choices. Logs of a failed storm are kept.
"""

import collections
import os
import pathlib
import random
import shutil
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
from build_worlds import MISTAKE, Files, Machines  # noqa: E402
from builders import ENDED, Builder, Orders, Told  # noqa: E402
from support.hub import SLIPWAY, Hub, wait_until  # noqa: E402
from support.postgres import Postgres  # noqa: E402
from support.provisionerd import Provisionerd  # noqa: E402
from support.templates import push  # noqa: E402

BUILDS = int(os.environ.get("SLIPWAY_STORM_BUILDS", "60"))
SECONDS_MAX = float(os.environ.get("SLIPWAY_STORM_SECONDS", "150"))
SEED = int(os.environ.get("SLIPWAY_SEED", random.randrange(1 << 32)))
BUILDERS = 12
CANCELS = 10  # of so many builds one is cancelled
FAR_TAGS = {"place": "moon"}
BUDGET = 10_000
CALM_S = 400  # for a build: three leases and a salvage between other builds
RARE = 2  # of so many ordinary workspaces one is Terraform's

# How builds may fail: as they were told to, after too many deaths of daemons, or because they were cut short.
ALLOWED_FAILURES = {MISTAKE, "TERRAFORM_FAILED", "PROVISIONER_LOST", "CANCELLED"}


class BuildsStorm(unittest.TestCase):
    def setUp(self):
        print(f"seed {SEED}", flush=True)
        self.random = random.Random(SEED)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="slipway-storm-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.postgres = Postgres()
        self.addCleanup(self.postgres.close)
        self.hubs = self.start_hubs()
        self.worlds = {"files": Files(self.folder / "files"), "machines": Machines(self.folder / "machines"),
                       "far": Files(self.folder / "far")}  # fmt: skip
        self.daemons = self.make_daemons()
        self.told = Told()
        self.kills = collections.Counter()
        self.deaths = []  # of those that nobody killed

    def test_every_build_has_one_end_and_nothing_is_lost_or_made_twice(self):
        try:
            self.go_through_it()
        except BaseException:
            self.keep_logs()
            raise

    def go_through_it(self):
        for daemon in self.daemons:
            daemon.start()
        self.push_templates()
        far = self.daemons[-1]
        self.assertEqual(far.stop(), 0)
        builders = self.start_builders()
        self.storm(builders, far)
        self.calm(builders)
        self.stop_daemons()
        self.check()

    # ---- before

    def start_hubs(self):
        options = ["--database", self.postgres.url, "--log-level", "warning"]
        first, second = Hub(options=options, started=False), Hub(options=options, started=False)
        for hub in (first, second):
            self.addCleanup(self.remove_hub, hub)
        first.start()
        second.data.mkdir(parents=True)
        shutil.copy2(first.data / "seal.key", second.data / "seal.key")
        second.start()
        self.key = first.key
        return [first, second]

    @staticmethod
    def remove_hub(hub):
        """With all that it knows: there are no machines but those of the two worlds."""
        if hub.is_running():
            hub.kill()
        shutil.rmtree(hub.folder, ignore_errors=True)

    def make_daemons(self):
        key = self.hubs[0].post("/v1/daemon-keys", {"name": "storm"}).expect(201)["key"]
        daemons = []
        for number in range(4):
            # Of every other one the scripted provisioner is a process, which outlives the daemon for a moment.
            scripted = f"scripted={SLIPWAY} provisioner scripted" if number % 2 else "scripted"
            daemon = Provisionerd(
                self.folder, f"daemon{number}", f"http://127.0.0.1:{self.hubs[number % 2].port}", key, runners=2,
                tags=FAR_TAGS if number == 3 else {}, options=["--provisioner", "terraform", "--provisioner", scripted],
                environment=self.worlds["machines"].provider.environment(),
            )  # fmt: skip
            self.addCleanup(daemon.close)
            daemons.append(daemon)
        return daemons

    def push_templates(self):
        hub = self.hubs[0]
        hub.put("/v1/groups/everyone", {"dailyBudget": BUDGET}).expect(200)
        for name, world in self.worlds.items():
            tags = {"tags": FAR_TAGS} if name == "far" else {}
            run = hub.await_run(push(hub, name, world.template(), world.provisioner, **tags)["run"]["id"], CALM_S)
            self.assertEqual(run["status"], "completed", run)

    def start_builders(self):
        self.orders = Orders(BUILDS)
        builders = []
        for number in range(BUILDERS):
            builder = Builder(f"b{number}", self.hubs, self.key, self.orders, self.told, self.chooser(number), CANCELS,
                              self.random.getrandbits(64), CALM_S)  # fmt: skip
            builders.append(builder)
            builder.start()
        return builders

    @staticmethod
    def chooser(number):
        if number < 2:
            return lambda _: "far"
        return lambda choice: "machines" if choice.randrange(RARE) == 0 else "files"

    # ---- the storm

    def storm(self, builders, far):
        """Kills one after the other and starts it again soon; one hub is always there."""
        began, down, next_kill = time.monotonic(), {}, time.monotonic() + 1
        far_is_away = True
        while any(builder.is_alive() for builder in builders) and time.monotonic() - began < SECONDS_MAX:
            now = time.monotonic()
            for thing in [thing for thing, until in down.items() if until <= now]:
                self.start_again(thing)
                del down[thing]
            if far_is_away and (self.orders.left < BUILDS * 2 // 3 or now - began > SECONDS_MAX / 4):
                far.start()
                far_is_away = False
            if now >= next_kill:
                victim = self.choose_victim(down, far if far_is_away else None)
                if victim is not None:
                    victim.kill()
                    self.kills["hub" if isinstance(victim, Hub) else "daemon"] += 1
                    down[victim] = now + self.random.uniform(0.2, 1.5)
                next_kill = now + self.random.uniform(2, 3)
            self.look_after(builders, [*down, *([far] if far_is_away else [])])
            time.sleep(0.05)
        for thing in [*down, *([far] if far_is_away else [])]:
            self.start_again(thing)

    def choose_victim(self, down, away):
        healthy = [hub for hub in self.hubs if hub not in down and self.is_healthy(hub)]
        victims = healthy if len(healthy) == len(self.hubs) else []
        victims += [daemon for daemon in self.daemons if daemon not in down and daemon is not away]
        return self.random.choice(victims) if victims else None

    @staticmethod
    def is_healthy(hub):
        try:
            return hub.get("/health", key=None).status == 200
        except OSError:
            return False

    @staticmethod
    def start_again(thing):
        if isinstance(thing, Hub):
            thing.start(wait=False)
        else:
            thing.start()

    def look_after(self, builders, away):
        """Who ended by itself is started again, and remembered."""
        for builder in builders:
            if builder.failure:
                raise AssertionError(f"{builder.name}: {builder.failure}") from builder.failure
        for thing in [*self.hubs, *self.daemons]:
            if thing not in away and not thing.is_running():
                name = "a hub" if isinstance(thing, Hub) else thing.name
                self.deaths.append(f"{name} ended with {thing.process.returncode}:\n{thing.log()[-2000:]}")
                self.start_again(thing)

    def calm(self, builders):
        deadline = time.monotonic() + CALM_S
        while any(builder.is_alive() for builder in builders):
            self.look_after(builders, [])
            if time.monotonic() > deadline:
                raise AssertionError(f"still at work: {[b.doing for b in builders if b.is_alive()]}")
            time.sleep(0.2)
        self.look_after(builders, [])
        for hub in self.hubs:
            wait_until(lambda hub=hub: self.is_healthy(hub), "a hub, perhaps just started again, is up")
        wait_until(lambda: self.count("provisioner_jobs WHERE ended_at IS NULL") == 0, "all jobs have ended", 120)
        wait_until(lambda: self.count("runs WHERE completed_at IS NULL AND type <> 'hub.forget-old'") == 0, "all runs")

    def stop_daemons(self):
        for daemon in self.daemons:
            wait_until(daemon.has_registered, f"{daemon.name}, perhaps just started again, knows its hub")
            if code := daemon.stop():
                self.deaths.append(f"{daemon.name} did not end well ({code}):\n{daemon.log()[-2000:]}")
        for daemon in self.daemons:
            wait_until(lambda daemon=daemon: not daemon.processes(), f"nothing that {daemon.name} started is left")

    # ---- after

    def count(self, what):
        return self.postgres.query(f"SELECT count(*) AS n FROM {what}")[0]["n"]

    def check(self):
        complaints = [*self.deaths, *self.check_ends(), *self.check_worlds(), *self.check_quota()]
        complaints += [f"a job waited without a reason: {job}" for job in self.told.unexplained]
        if not {"tags_missing", "no_daemon"} & set(self.told.pending):
            complaints.append(f"nobody was told what the far builds wait for: {dict(self.told.pending)}")
        locks = self.postgres.query("SELECT * FROM workspace_state_locks")
        complaints += [f"a lock is left: {lock}" for lock in locks]
        self.report()
        if complaints:
            self.fail(f"seed {SEED}: {len(complaints)} complaints\n" + "\n".join(complaints[:40]))

    def check_ends(self):
        """Every build ended, as its run and its job did, and said so once."""
        complaints = []
        rows = self.postgres.query(
            "SELECT b.id, b.status, b.error_code, r.status AS run, j.status AS job FROM workspace_builds b "
            "JOIN runs r ON r.id = b.run_id LEFT JOIN provisioner_jobs j ON j.id = b.job_id"
        )
        said = collections.defaultdict(list)
        for change in self.postgres.query("SELECT resource_id, data FROM changes WHERE type = 'build.updated'"):
            status = change["data"]["status"] if isinstance(change["data"], dict) else change["data"]
            said[change["resource_id"]] += [end for end in ENDED if f'"{end}"' in str(change["data"]) or end == status]
        if len(rows) != len(self.told.builds):
            complaints.append(f"{len(self.told.builds)} builds were told of, there are {len(rows)}")
        for row in rows:
            told = self.told.builds.get(row["id"])
            if ENDED.get(row["status"]) != row["run"] or (row["job"] and row["job"] != row["status"]):
                complaints.append(f"a build and its run or job disagree: {row}")
            if said[row["id"]] != [row["status"]]:
                complaints.append(f"build {row['id']} is {row['status']} and said {said[row['id']]}")
            if told is None or told["status"] != row["status"]:
                complaints.append(f"build {row['id']} is {row['status']}, and its user was told {told}")
            elif row["status"] == "failed" and row["error_code"] not in ALLOWED_FAILURES:
                complaints.append(f"build {row['id']} failed with {row['error_code']}: {told}")
            elif row["status"] == "cancelled" and not told["cancelled"]:
                complaints.append(f"build {row['id']} was cancelled by nobody")
        return complaints

    def states(self):
        """Of all workspaces that there are: (template, last build's status, what it costs by the record, state)."""
        for row in self.postgres.query(
            "SELECT w.workspace_id, w.daily_cost, b.status FROM built_workspaces w JOIN workspace_builds b "
            "ON b.workspace_id = w.workspace_id AND b.number = w.build_number"
        ):
            answer = self.hubs[0].get(f"/v1/workspaces/{row['workspace_id']}/state")
            state = answer.text if answer.status == 200 else None
            yield row["workspace_id"], self.told.workspaces[row["workspace_id"]], row["status"], row["daily_cost"], state

    def check_worlds(self):
        complaints = []
        known, perhaps = collections.defaultdict(set), collections.defaultdict(set)
        for _, template, _, _, state in self.states():
            if state is not None:
                known[template] |= self.worlds[template].things_of(state)
                perhaps[template] |= self.worlds[template].perhaps_of(state)
        for name, world in self.worlds.items():
            there = world.things()
            complaints += [f"{name}: {thing} is in no state" for thing in sorted(there - known[name] - perhaps[name])]
            complaints += [f"{name}: {thing} is only in a state" for thing in sorted(known[name] - there)]
            complaints += [f"{name}: {complaint}" for complaint in world.complaints()]
        return complaints

    def check_quota(self):
        complaints, consumed = [], 0
        for workspace, template, status, cost, state in self.states():
            consumed += cost
            real = self.worlds[template].cost_of(state) if state is not None else 0
            if (status == "succeeded" and real != cost) or real > cost:
                complaints.append(f"workspace {workspace} of {template} ({status}) costs {real}, its record says {cost}")
        quota = self.hubs[1].get("/v1/quota", key=self.key).expect(200)
        if quota["consumed"] != consumed:
            complaints.append(f"the quota says {quota['consumed']}, the workspaces {consumed}")
        return complaints

    def report(self):
        ends = collections.Counter(build["status"] for build in self.told.builds.values())
        failures = collections.Counter(build["error"] for build in self.told.builds.values() if build["error"])
        again = self.postgres.query("SELECT count(*) AS jobs, coalesce(sum(attempt - 1), 0) AS times FROM provisioner_jobs "
                                    "WHERE attempt > 1")[0]  # fmt: skip
        kinds = collections.Counter(self.told.workspaces.values())
        print(f"kills {dict(self.kills)}; builds {dict(ends)}, errors {dict(failures)}; workspaces {dict(kinds)}\n"
              f"{again['jobs']} jobs were done again, {again['times']} times; cancels ended {dict(self.told.cancels)}\n"
              f"reasons for waiting {dict(self.told.pending)}\n"
              f"worlds { {name: world.counts() for name, world in self.worlds.items()} }", flush=True)  # fmt: skip

    def keep_logs(self):
        kept = pathlib.Path(tempfile.mkdtemp(prefix="slipway-storm-logs-"))
        for number, hub in enumerate(self.hubs):
            (kept / f"hub{number}.log").write_text(hub.log())
        for daemon in self.daemons:
            (kept / f"{daemon.name}.log").write_text(daemon.log())
        for name, sql in (("jobs", "SELECT * FROM provisioner_jobs ORDER BY created_at"),
                          ("builds", "SELECT * FROM workspace_builds ORDER BY created_at"),
                          ("runs", "SELECT * FROM runs ORDER BY id"), ("locks", "SELECT * FROM workspace_state_locks"),
                          ("logs", "SELECT * FROM provisioner_job_logs"),
                          ("daemons", "SELECT * FROM provisioner_daemons")):  # fmt: skip
            rows = self.postgres.query(sql)
            (kept / f"{name}.txt").write_text("\n".join(str(row) for row in rows))
        shutil.copytree(self.folder, kept / "folder", dirs_exist_ok=True, ignore=shutil.ignore_patterns("work", "mirror"))
        self.report()
        print(f"logs, tables and worlds are kept in {kept}", flush=True)


if __name__ == "__main__":
    unittest.main()
