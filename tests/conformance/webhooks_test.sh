#!/usr/bin/env bash
# What a hub sends, judged by the public libraries that receivers use: Standard Webhooks and CloudEvents (WF-45, WF-46).
set -euo pipefail
cd "$(dirname "$0")/webhooks"
for tool in node npm; do
  command -v "$tool" >/dev/null || { echo "SKIPPED: the receiver needs $tool"; exit 77; }
done
# Installed again only when the lock file has changed.
if [[ ! -e node_modules/.package-lock.json || package-lock.json -nt node_modules/.package-lock.json ]]; then
  npm ci --no-audit --no-fund --ignore-scripts
  touch node_modules/.package-lock.json
fi
exec node --test --test-concurrency=1 ./*.test.mjs
