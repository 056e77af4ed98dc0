"""What must hold when all has healed: the promises of the engine, one function for each."""

import collections
import datetime
import json

# A process that was harmed may still do for a while what it began before: its answers, retries, take-overs.
AFTERMATH_S = 15

# The journal's times are cut to milliseconds.
TICK_S = 0.002

REPEATABLE = ("look", "remove")  # verbs that may come as often as they like


class Checker:
    """`acknowledged`: key to run, as the clients were told. `findings`: what `chaos_engine check` printed.
    `expectations`: by (seed, length). `cancelled`: runs whose cancel was acknowledged or may have been heard."""

    def __init__(self, acknowledged, findings, expectations, cancelled, effects, nemesis, tables):
        self.acknowledged = acknowledged
        self.findings = {finding["run"]: finding for finding in findings}
        self.expectations = expectations
        self.cancelled = cancelled
        self.effects = effects
        self.nemesis = nemesis
        self.tables = tables
        self.complaints = []

    def check(self):
        """Everything that is wrong, in words."""
        self.acknowledged_runs_are_there_and_have_ended()
        self.journals_and_rows_agree_and_no_step_completed_twice()
        self.runs_came_to_what_their_programs_say()
        self.transactions_happened_exactly_once()
        self.things_are_there_exactly_for_completed_runs()
        self.choices_stayed_what_they_were()
        self.calls_were_repeated_only_where_something_had_happened()
        return self.complaints

    def complain(self, what):
        self.complaints.append(what)

    def acknowledged_runs_are_there_and_have_ended(self):
        for key, run in self.acknowledged.items():
            finding = self.findings.get(run)
            if not finding:
                self.complain(f"acknowledged and lost: {key} {run}")
            elif finding["key"] != key:
                self.complain(f"{key} was told {run}, which is of {finding['key']}")
        keys = collections.Counter(finding["key"] for finding in self.findings.values())
        for key, count in keys.items():
            if count > 1:
                self.complain(f"{count} runs under the key {key}")
        for finding in self.findings.values():
            if finding["status"] not in ("completed", "failed", "cancelled"):
                self.complain(f"not ended: {json.dumps(finding)}")

    def journals_and_rows_agree_and_no_step_completed_twice(self):
        for finding in self.findings.values():
            for violation in finding["violations"]:
                self.complain(f"{finding['run']}: {violation}")

    def runs_came_to_what_their_programs_say(self):
        for finding in self.findings.values():
            expected = self.expectation(finding)
            told = (finding["status"], (finding["output"] or {}).get("sum"))
            if finding["status"] == "cancelled" and finding["run"] in self.cancelled:
                continue
            if told != (expected["status"], expected["sum"] if expected["status"] == "completed" else None):
                self.complain(f"{finding['run']}: {told}, but its program says {expected}")

    def transactions_happened_exactly_once(self):
        counted = collections.Counter((row["run_id"], row["number"]) for row in self.tables["chaos_counts"])
        for (run, number), count in counted.items():
            if count > 1:
                self.complain(f"{run}: the transaction of action {number} happened {count} times")
        rows = collections.Counter(run for run, _ in counted)
        for run, finding in self.findings.items():
            recorded = sum(step["name"] == "count" for step in map(step_of, finding["completions"]))
            if rows[run] != recorded:
                self.complain(f"{run}: {rows[run]} transactions happened, {recorded} are recorded")
        ends = collections.Counter(row["run_id"] for row in self.tables["chaos_bad_ends"])
        for run, finding in self.findings.items():
            if ends[run] != (finding["status"] in ("failed", "cancelled")):
                self.complain(f"{run} {finding['status']}, and was told so {ends[run]} times")

    def things_are_there_exactly_for_completed_runs(self):
        expected = set()
        for run, finding in self.findings.items():
            if finding["status"] == "completed":
                expected |= {f"{run}/{number}" for number in self.expectation(finding)["things"]}
        for thing in expected - self.effects.present:
            self.complain(f"{thing} should be there and is not")
        for thing in self.effects.present - expected:
            self.complain(f"{thing} is there, but its run {self.findings.get(thing.split('/')[0], {}).get('status')}")
        for thing, keys in self.effects.made.items():
            if sum(keys.values()) != 1:
                self.complain(f"{thing} was made {sum(keys.values())} times, under the keys {sorted(keys)}")

    def choices_stayed_what_they_were(self):
        for thing, numbers in self.effects.confirmed.items():
            if len(numbers) > 1 or not numbers <= self.effects.chosen[thing]:
                self.complain(f"{thing}: confirmed {numbers} of {self.effects.chosen[thing]}")

    def calls_were_repeated_only_where_something_had_happened(self):
        completed_at = {
            f"{run}/{completion['step']}": completion["at"]
            for run, finding in self.findings.items()
            for completion in map(with_seconds, finding["completions"])
        }
        for thing, calls in self.effects.calls.items():
            by_key = collections.defaultdict(list)
            for call in calls:
                if call.verb not in REPEATABLE:
                    by_key[call.key].append(call)
            for key, same in by_key.items():
                self.check_repeats(thing, key, same, completed_at.get(key))

    def check_repeats(self, thing, key, calls, completed_at):
        for before, call in zip(calls, calls[1:]):
            if not before.lost and not self.nemesis.anything_between(before.at - AFTERMATH_S, call.at):
                self.complain(f"{thing}: called again by {call.life} without a reason: {key} {calls}")
        for call in calls:
            replica = call.life.partition(".")[0]
            late = completed_at is not None and call.at > completed_at + TICK_S
            if late and not self.nemesis.is_harmed(replica, call.at - AFTERMATH_S, call.at):
                self.complain(f"{thing}: {call.life} called {key} after its completion at {completed_at}: {calls}")

    def expectation(self, finding):
        return self.expectations[finding["input"]["seed"], finding["input"]["length"]]


def step_of(completion):
    return {**completion, "name": completion["step"].partition("#")[0]}


def with_seconds(completion):
    at = datetime.datetime.fromisoformat(completion["at"].replace("Z", "+00:00")).timestamp()
    return {**completion, "at": at}
