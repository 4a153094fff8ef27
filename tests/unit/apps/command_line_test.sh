#!/bin/bash
# Usage, help and exit codes of the command line tool: command_line_test.sh JUXMEM
set -uo pipefail
juxmem=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
unset JUXMEM_GRID
export JUXMEM_RUN_DIR="$folder/run"
failures=0

# expect CODE TEXT ARGUMENT...: the exit code, and a text that must be printed.
expect() {
  local code=$1 text=$2
  shift 2
  local out
  out=$("$juxmem" "$@" 2>&1 </dev/null)
  local got=$?
  if [ "$got" != "$code" ] || ! grep -qF -- "$text" <<<"$out"; then
    echo "juxmem $*: exit code $got (expected $code), printed (expected '$text'): $out"
    failures=$((failures + 1))
  fi
}

expect 2 "Usage: juxmem COMMAND"
expect 0 "Examples:" --help
expect 0 "juxmem 0." --version
expect 2 "no command 'lss'" lss
for command in "grid start" "grid stop" status ls stat rm import export inspect doctor; do
  # shellcheck disable=SC2086
  expect 0 "Examples:" $command --help
  # shellcheck disable=SC2086
  expect 2 "More: juxmem" $command --no-such-option
done
expect 2 "grid stop" grid
expect 2 "--sites is missing" grid start --local
expect 2 "--local is missing" grid start --sites a:1
expect 2 "NAME:PROVIDERS" grid start --local --sites a:b
expect 2 "--memory" grid start --local --sites a:1 --memory much
expect 2 "--timeout" grid start --local --sites a:1 --timeout soon
expect 1 "no grid was started" grid stop
expect 2 "is missing" stat
expect 2 "is too much" stat one two
expect 2 "is missing" inspect
expect 1 "no such folder or file" inspect "$folder/none"
expect 1 "neither a log nor checkpoints" inspect "$folder"
expect 2 "--copies" import file.h5 prefix --copies 3
for command in status ls "stat x" "rm x" "import file.h5" "export x file.h5"; do
  # shellcheck disable=SC2086
  expect 1 "no provider runs on this machine" $command
done
touch "$folder/there.h5"
expect 1 "--force" export x "$folder/there.h5"
expect 0 "none to look at" doctor
[ "$failures" = 0 ]
