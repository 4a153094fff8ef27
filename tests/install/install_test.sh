#!/bin/bash
# Installs a build into a new folder and uses it as somebody would who has nothing but that: install_test.sh BUILD
set -euo pipefail
build=$(realpath "$1")
source=$(realpath "$(dirname "$0")/../..")
prefix=$(mktemp -d)
trap 'rm -rf "$prefix"' EXIT
fail() { echo "install_test: $*" >&2; exit 1; }

DESTDIR="" cmake --install "$build" --prefix "$prefix/usr" >"$prefix/log" || { cat "$prefix/log"; fail "cmake --install"; }
pc=$(find "$prefix/usr" -name juxmem.pc)
[ -n "$pc" ] || fail "no juxmem.pc"
export PKG_CONFIG_PATH; PKG_CONFIG_PATH=$(dirname "$pc")
libdir=$(pkg-config --variable=libdir juxmem)
# As on a machine without daemons, and without a trace on this one.
export JUXMEM_RUN_DIR="$prefix/run"; unset JUXMEM_GRID
cd "$prefix"

# A C program of a user.
# shellcheck disable=SC2046
cc -std=c99 -Wall -Wextra -pedantic -Werror "$source/apps/examples/hello.c" $(pkg-config --cflags --libs juxmem) -o hello
out=$(LD_LIBRARY_PATH="$libdir" ./hello "good morning")
[ "$out" = "written: good morning" ] || fail "hello printed: $out"

# The same through the CMake package.
mkdir user && cat >user/CMakeLists.txt <<CMAKE
cmake_minimum_required(VERSION 3.25)
project(user C)
find_package(juxmem 0.1 REQUIRED)
add_executable(hello $source/apps/examples/hello.c)
target_link_libraries(hello PRIVATE juxmem::juxmem)
CMAKE
cmake -S user -B user/build -DCMAKE_PREFIX_PATH="$prefix/usr" >log && cmake --build user/build >>log || { cat log; fail "find_package"; }
out=$(./user/build/hello "good evening")
[ "$out" = "written: good evening" ] || fail "hello by CMake printed: $out"

# Only what the public header declares can be seen.
library="$libdir/libjuxmem.so"
foreign=$(nm -D --defined-only "$library" | awk '$2 != "A" {print $3}' | sed 's/@.*//' | grep -v '^juxmem_' || true)
[ -z "$foreign" ] || fail "symbols that are not public: $foreign"
grep -oE 'JUXMEM_API [^(;]*\b(juxmem_[a-z_]+)\(' "$source/juxmem/include/juxmem/juxmem.h" | grep -oE 'juxmem_[a-z_]+\(' | tr -d '(' |
  sort -u >declared
nm -D --defined-only "$library" | awk '{print $3}' | sed 's/@.*//' | grep '^juxmem_' | sort -u >defined
missing=$(comm -23 declared defined)
[ -z "$missing" ] || fail "declared, but not in the library: $missing"
grep -q "SONAME *libjuxmem.so.[0-9]" <<<"$(objdump -p "$library")" || fail "the library has no versioned name"

# The programs and their manual pages.
[ "$("$prefix/usr/bin/juxmem" --version)" = "juxmem $(pkg-config --modversion juxmem)" ] || fail "juxmem --version"
"$prefix/usr/bin/juxmemd" --version >/dev/null || fail "juxmemd --version"
for page in man1/juxmem.1 man8/juxmemd.8; do
  file=$(find "$prefix/usr" -path "*$page")
  [ -n "$file" ] || fail "no manual page $page"
  mandoc -T lint -W error "$file" || fail "$page"
done
echo "installed, used and looked through"
