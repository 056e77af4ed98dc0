#!/usr/bin/env bash
# What is exported to collectors of traces, read by OpenTelemetry's own types (RUN-18).
set -euo pipefail
cd "$(dirname "$0")/spans"
for tool in node npm; do
  command -v "$tool" >/dev/null || { echo "SKIPPED: the libraries need $tool"; exit 77; }
done
# Installed again only when the lock file has changed.
if [[ ! -e node_modules/.package-lock.json || package-lock.json -nt node_modules/.package-lock.json ]]; then
  npm ci --no-audit --no-fund --ignore-scripts
  touch node_modules/.package-lock.json
fi
exec node --test --test-concurrency=1 ./*.test.mjs
