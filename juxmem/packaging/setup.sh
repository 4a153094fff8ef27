#!/bin/sh
# Installs the Debian packages that are missing: setup.sh [fuzz] [tidy] [format] [bench]
# Quick and silent when nothing is missing. Without the right to install, it prints the one command that does it.
set -eu

packages="g++ make cmake ninja-build ccache pkg-config python3 iproute2 mandoc
  cppzmq-dev libzmq3-dev libflatbuffers-dev flatbuffers-compiler
  libboost-program-options-dev libfmt-dev libspdlog-dev nlohmann-json3-dev libxxhash-dev liburing-dev libgtest-dev
  openmpi-bin libopenmpi-dev libhdf5-dev hdf5-tools libpng-dev gmt-dcw"
for purpose in "$@"; do
  case "$purpose" in
    fuzz)   packages="$packages clang-19 lld-19 libclang-rt-19-dev" ;;
    tidy)   packages="$packages clang-19 clang-tidy-19" ;;
    format) packages="$packages clang-format-19" ;;
    bench)  packages="$packages gnuplot-nox etcd-server libgrpc++-dev libprotobuf-dev protobuf-compiler protobuf-compiler-grpc" ;;
    *) echo "setup.sh: unknown purpose '$purpose' (fuzz, tidy, format, bench)" >&2; exit 2 ;;
  esac
done

if ! command -v dpkg-query >/dev/null; then
  echo "JuxMem is built on Debian 12; on other systems, install the counterparts of:" $packages >&2
  exit 0
fi

missing=""
for package in $packages; do
  case "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)" in
    installed) ;;
    *) missing="$missing $package" ;;
  esac
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then
  as_root=""
elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
  as_root="sudo"
else
  echo "Some packages are missing. Run this, then try again:" >&2
  echo "  sudo apt-get install --no-install-recommends$missing" >&2
  exit 1
fi

echo "Installing:$missing"
install_missing() {
  # shellcheck disable=SC2086
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 \
    install -y -qq --no-install-recommends $missing </dev/null
}
update_lists() {
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 update -qq </dev/null
}
# The lists may be older than the mirror, or not there at all.
if ! install_missing >/dev/null 2>&1; then
  update_lists || true
  install_missing
fi
