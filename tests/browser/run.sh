#!/usr/bin/env bash
# Runs the browser test: run.sh PROGRAM. Exits 77 (skipped) where node or Chromium is missing.
set -eu
SLIPWAY_BIN=$(realpath "$1")
export SLIPWAY_BIN
cd "$(dirname "$0")"
for tool in node npm "${CHROMIUM:-/usr/bin/chromium}"; do
  if ! command -v "$tool" >/dev/null; then
    echo "SKIPPED: the browser test needs $tool"
    exit 77
  fi
done
# Installed again only when the lock file has changed.
if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  npm ci --no-audit --no-fund
  touch node_modules/.package-lock.json
fi
exec node --test --test-concurrency=1 ./*.test.mjs
