#!/bin/bash
# run.sh SECONDS [BUILD_FOLDER]: builds the fuzzers with clang and runs each decoder for so many seconds, as many at a time as there are cores.
# Exit code 0: nothing found; 1: a finding (its input is kept and named); 2: cannot build.
set -euo pipefail

seconds=${1:?usage: run.sh SECONDS [BUILD_FOLDER]}
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${2:-$root/build-fuzz}
jobs=${FUZZ_JOBS:-$(nproc)}
cc=${FUZZ_CC:-clang-19}
cxx=${FUZZ_CXX:-clang++-19}

command -v "$cxx" >/dev/null || { echo "run.sh: $cxx is missing; install clang-19" >&2; exit 2; }
# Our code only: no MPI, no HDF5. Everything is built to be fuzzed, the address and undefined behaviour sanitizers watch.
cmake -S "$root" -B "$build" -G Ninja -DCMAKE_C_COMPILER="$cc" -DCMAKE_CXX_COMPILER="$cxx" \
  -DCMAKE_CXX_FLAGS=-fsanitize=fuzzer-no-link -DJUXMEM_FUZZ=ON -DJUXMEM_SANITIZE=address \
  -DJUXMEM_WITH_MPI=OFF -DJUXMEM_WITH_HDF5=OFF >"$build.log" 2>&1 || { cat "$build.log" >&2; exit 2; }
ninja -C "$build" -j "$jobs" fuzzers >"$build.log" 2>&1 || { cat "$build.log" >&2; exit 2; }
rm -f "$build.log"

fuzzers=$build/tests/fuzz
seeds=$build/seeds
"$fuzzers/fuzz_seeds" "$seeds"

fuzz() {
  local decoder=$1 corpus=$build/corpus/$1 log=$build/fuzz_$1.log known=() runs
  mkdir -p "$corpus" "$build/findings"
  # Inputs that once broke the decoder.
  if [ -d "$root/tests/fuzz/corpus/$decoder" ]; then known=("$root/tests/fuzz/corpus/$decoder"); fi
  if ! "$fuzzers/fuzz_$decoder" -max_total_time="$seconds" -max_len=65536 -rss_limit_mb=2048 -timeout=10 -print_final_stats=1 \
      -artifact_prefix="$build/findings/$decoder-" "$corpus" "$seeds/$decoder" "${known[@]}" >"$log" 2>&1; then
    tail -40 "$log" >&2
    echo "fuzz_$decoder: FOUND something; replay: $fuzzers/fuzz_$decoder $build/findings/$decoder-*" >&2
    return 1
  fi
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  echo "fuzz_$decoder: $runs inputs in $seconds s, nothing found"
}

status=0
for decoder in packet command reply snapshot log checkpoint contacts facts meta; do
  if [ "$(jobs -pr | wc -l)" -ge "$jobs" ]; then wait -n || status=1; fi
  fuzz "$decoder" &
done
while [ -n "$(jobs -p)" ]; do wait -n || status=1; done
exit $status
