#!/bin/bash
# Builds the unit tests with a sanitizer and runs them: sanitizers/run.sh address|thread BUILD
#   address   with undefined behaviour: all unit tests
#   thread    the tests of what has threads
# Built with clang, which needs half of GCC's time for it.
set -euo pipefail
kind=$1
build=$(realpath -m "$2")
cd "$(dirname "$0")/../.."
source=$PWD

case "$kind" in
  address) target=unit_tests label=unit ;;
  thread)  target=thread_tests label=threads ;;
  *) echo "sanitizers/run.sh: '$kind' is neither address nor thread" >&2; exit 2 ;;
esac
# The libraries of Debian are not instrumented; what they hide from the thread sanitizer is listed in tsan.supp.
symbolizer=external_symbolizer_path=$(command -v addr2line)
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0:detect_stack_use_after_return=1:$symbolizer
export UBSAN_OPTIONS=print_stacktrace=1
export TSAN_OPTIONS="suppressions=$source/tests/sanitizers/tsan.supp halt_on_error=1 second_deadlock_stack=1 $symbolizer"
# What is deprecated is what clang finds in the standard library of GCC.
cmake -S . -B "$build" -G Ninja --log-level=WARNING -DJUXMEM_SANITIZE="$kind" \
  -DCMAKE_C_COMPILER=clang-19 -DCMAKE_CXX_COMPILER=clang++-19 \
  -DCMAKE_CXX_FLAGS=-Wno-deprecated-declarations -DCMAKE_EXE_LINKER_FLAGS=-fuse-ld=lld-19 -DJUXMEM_WITH_MPI=OFF -DJUXMEM_WITH_HDF5=OFF
ninja -C "$build" --quiet "$target"
cd "$build"
ctest --output-on-failure --no-tests=error -j2 -L "^$label\$"
