#!/usr/bin/env bash
# Prometheus' own checker reads our metrics.
set -euo pipefail
cd "$(dirname "$0")/.."
exec python3 - <<'PYTHON'
import subprocess
import sys

from support.hub import Hub

with Hub() as hub:
    hub.create_workspace("counted")
    text = hub.get("/metrics").text
checked = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True, check=False)
print(checked.stdout, checked.stderr)
sys.exit(1 if checked.returncode != 0 or checked.stderr.strip() else 0)
PYTHON
