#!/usr/bin/env bash
# Cross-compiles the arm64 kernels and compares NEON with plain C under emulation (tools/cross_check.c).
# Needs aarch64-linux-gnu-gcc and qemu-aarch64 (Debian: gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user).
set -euo pipefail
cd "$(dirname "$0")/.."
CC=${CC:-aarch64-linux-gnu-gcc}
RUN=${RUN:-qemu-aarch64}
flags="-std=c11 -O3 -ffp-contract=off -fno-math-errno -fno-trapping-math -Wall -Wextra -Wno-unused-function -Icsrc"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
for isa in base neon; do
  for real in f32 f64; do
    $CC $flags -DFR_ISA_${isa^^} -DFR_REAL_${real^^} -DFR_TABLE=fr_kernels_${isa}_$real -c csrc/kernels.c -o "$out/$isa$real.o"
  done
done
$CC $flags -DFR_HAVE_NEON csrc/dispatch.c tools/cross_check.c "$out"/*.o -lm -static -o "$out/check"
$RUN "$out/check"
