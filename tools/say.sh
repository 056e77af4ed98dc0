# shellcheck shell=bash
# How the project's scripts speak: sourced, not run. Colours only on a terminal, and never with NO_COLOR.

if [[ -t 1 && -z ${NO_COLOR:-} && ${TERM:-dumb} != dumb ]]; then
  kBold=$'\e[1m' kDim=$'\e[2m' kRed=$'\e[31m' kGreen=$'\e[32m' kPlain=$'\e[0m'
else
  # shellcheck disable=SC2034  # used by those who source this
  kBold='' kDim='' kRed='' kGreen='' kPlain=''
fi

say() { printf '%s\n' "$*"; }
say_done() { printf '%s✓%s %s\n' "$kGreen" "$kPlain" "$*"; }
complain() { printf '%s%s:%s %s\n' "$kRed" "${0##*/}" "$kPlain" "$*" >&2; }
# fail CODE MESSAGE...: 1 what was asked for did not work, 2 it was asked for wrongly.
fail() {
  local code=$1
  shift
  complain "$@"
  exit "$code"
}
