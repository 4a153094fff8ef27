#!/usr/bin/env bash
# Puts the known bugs of juxmem/base/mutants.def in, one at a time; the simulator named there must find each within its seeds.
# Usage: tests/sim/mutants.sh BUILD_FOLDER [MUTANT ...]   (BUILD_FOLDER configured with -DJUXMEM_MUTANTS=ON)
set -euo pipefail

build=${1:?usage: $0 BUILD_FOLDER [MUTANT ...]}
shift
cd "$(dirname "$0")/../.."

ninja -C "$build" --quiet sim stream_sim_test coherence_sim_test log_sim_test
declare -A program=(
  [sim]=$build/tests/sim/sim
  [stream_sim_test]=$build/tests/sim/stream/stream_sim_test
  [log_sim_test]=$build/tests/sim/log/log_sim_test
  [coherence_sim_test]=$build/tests/sim/coherence/coherence_sim_test
)

tried=0
missed=()
while IFS=, read -r name simulator seeds text; do
  if (($# > 0)) && [[ " $* " != *" $name "* ]]; then continue; fi
  tried=$((tried + 1))
  status=0
  found=$("${program[$simulator]}" --mutant "$name" --seeds "$seeds" --quiet </dev/null 2>&1) || status=$?
  if ((status == 1)); then
    printf '  found   %-32s %s\n' "$name" "$(grep -m1 -o 'seed [0-9]*' <<<"$found")"
  else
    printf '  MISSED  %-32s in %s seeds of %s (exit %s): %s\n' "$name" "$seeds" "$simulator" "$status" "$text"
    missed+=("$name")
  fi
done < <(sed -nE 's/^MUTANT\(([a-z0-9_]+), *([a-z0-9_]+), *([0-9]+), *"(.*)"\)$/\1,\2,\3,\4/p' juxmem/base/mutants.def)

if ((tried == 0)); then
  echo "no such mutant: $*" >&2
  exit 2
fi
if ((${#missed[@]} > 0)); then
  echo "${#missed[@]} of $tried known bugs were not found" >&2
  exit 1
fi
echo "all $tried known bugs were found"
