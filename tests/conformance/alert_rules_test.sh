#!/usr/bin/env bash
# Prometheus' own tools check the rules and try them (WP-18); and every metric that a rule or the dashboard asks for is one
# that a hub has.
set -euo pipefail
cd "$(dirname "$0")/../.."
command -v promtool >/dev/null || { echo "SKIPPED: the rules are checked by promtool"; exit 77; }
(
  cd deploy/prometheus
  promtool check rules --lint=all --lint-fatal slipway.rules.yml
  promtool check config --syntax-only prometheus.yml
  promtool test rules slipway.rules.test.yml
)
cd tests
exec python3 - <<'PYTHON'
import json
import pathlib
import re
import sys

from support.cloud import Cloud
from support.hub import Hub

ROOT = pathlib.Path("..")
NAME = re.compile(r"\b(?:slipway|workstation)_[a-z_]+\b")
RULES = ROOT / "deploy/prometheus/slipway.rules.yml"
TESTS = ROOT / "deploy/prometheus/slipway.rules.test.yml"
DASHBOARD = ROOT / "deploy/grafana/slipway.json"


def expressions_of(dashboard):
    return [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]


def metric_of(name, known):
    """A histogram's series go by names of their own."""
    base = re.sub(r"_(bucket|count|sum)$", "", name)
    return name if name in known or base not in known else base


def expressions_of_rules():
    """The text without what is for people."""
    rules = re.sub(r"(?m)^\s*(#.*|annotations:|summary:.*|description:.*)$", "", RULES.read_text())
    return re.sub(r'"[^"]*"', "", rules)


with Cloud() as cloud, Hub(options=["--cloud", cloud.write_config()]) as hub:
    exposed = set(re.findall(r"(?m)^# TYPE (\S+) ", hub.get("/metrics").text))
# What a hub counts only when it happens is declared where it is counted.
declared = {
    name
    for source in (ROOT / "src").rglob("*.cpp")
    if not source.name.endswith("_test.cpp")
    for name in re.findall(r'(?:counter|gauge|histogram|read|read_many|read_queues|push_back)\([^;"]*"((?:slipway|workstation)_[a-z_]+)"', source.read_text())
}
known = exposed | declared
dashboard = json.loads(DASHBOARD.read_text())
asked = {
    RULES.name: set(NAME.findall(expressions_of_rules())),
    DASHBOARD.name: {name for text in expressions_of(dashboard) for name in NAME.findall(text)},
}
failures = [
    f"{where} asks for {name}, which no hub has"
    for where, names in asked.items()
    for name in sorted(names)
    if metric_of(name, known) not in known
]
if not asked[RULES.name] or not asked[DASHBOARD.name]:
    failures.append("no metric was found in the rules or the dashboard")
alerts = set(re.findall(r"- alert: (\w+)", RULES.read_text()))
failures += [f"{alert} is tried by no test" for alert in sorted(alerts - set(re.findall(r"alertname: (\w+)", TESTS.read_text())))]
failures += [f"the dashboard has panel {panel['id']} twice" for panel in dashboard["panels"] if sum(p["id"] == panel["id"] for p in dashboard["panels"]) > 1]
places = {(p["gridPos"]["x"], p["gridPos"]["y"]) for p in dashboard["panels"]}
if len(places) != len(dashboard["panels"]):
    failures.append("two panels of the dashboard are at the same place")
all_asked = asked[RULES.name] | asked[DASHBOARD.name]
seen = sum(metric_of(name, known) in exposed for name in all_asked)
print("\n".join(failures) or f"{len(all_asked)} metrics, {seen} of them seen at a hub to which nothing has happened yet")
sys.exit(1 if failures else 0)
PYTHON
