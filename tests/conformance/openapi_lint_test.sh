#!/usr/bin/env bash
# The API's document, as the program makes it of its routes, satisfies two public linters (WF-47): Spectral with all of
# its rules for OpenAPI, and Redocly with its recommended ones. A warning is a failure.
set -euo pipefail
cd "$(dirname "$0")/openapi"
for tool in node npm; do
  command -v "$tool" >/dev/null || { echo "SKIPPED: the linters need $tool"; exit 77; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# Installed again only when the lock file has changed.
if [[ ! -e node_modules/.package-lock.json || package-lock.json -nt node_modules/.package-lock.json ]]; then
  npm ci --no-audit --no-fund --ignore-scripts
  touch node_modules/.package-lock.json
fi
"$SLIPWAY_BIN" openapi >"$folder/openapi.json"
[[ $(wc -c <"$folder/openapi.json") -gt 10000 ]]
node_modules/.bin/spectral lint --ruleset spectral.yaml --fail-severity hint "$folder/openapi.json"
node redocly.mjs "$folder/openapi.json"
echo "PASSED"
