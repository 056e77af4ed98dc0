#!/usr/bin/env bash
# Tokens, asked for and verified, judged by the public libraries jose, google-auth-library and oauth2-mock-server (WP-20).
set -euo pipefail
cd "$(dirname "$0")/google_tokens"
for tool in node npm; do
  command -v "$tool" >/dev/null || { echo "SKIPPED: the libraries need $tool"; exit 77; }
done
# Installed again only when the lock file has changed.
if [[ ! -e node_modules/.package-lock.json || package-lock.json -nt node_modules/.package-lock.json ]]; then
  npm ci --no-audit --no-fund --ignore-scripts
  touch node_modules/.package-lock.json
fi
exec node --test --test-concurrency=1 ./*.test.mjs
