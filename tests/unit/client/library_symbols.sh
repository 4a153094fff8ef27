#!/bin/sh
# library_symbols.sh LIBRARY NM: all defined dynamic symbols of the library are those of the public header.
set -eu
library=$1
nm=${2:-nm}
header=$(dirname "$0")/../../../juxmem/include/juxmem/juxmem.h
shown=$("$nm" -D --defined-only "$library" | awk '$2 != "A" {sub(/@.*/, "", $3); print $3}' | sort -u)
declared=$(grep -oE '^JUXMEM_API .*' "$header" | grep -oE 'juxmem_[a-z_]+\(' | tr -d '(' | sort -u)
if [ "$shown" != "$declared" ]; then
  echo "the library shows:"; echo "$shown"
  echo "the header declares:"; echo "$declared"
  exit 1
fi
readelf -d "$library" | grep -q 'SONAME.*libjuxmem\.so\.[0-9]' || { echo "no versioned soname"; exit 1; }
echo "$(echo "$shown" | wc -l) symbols, all of them public"
