#!/usr/bin/env bash
# Compiles the kernels without Python and compares their ISAs (tools/cross_check.c): NEON under emulation, with
# `tools/cross_check.sh native` those of this x86-64, with `windows` the same as a Windows program under Wine.
# Needs aarch64-linux-gnu-gcc and qemu-aarch64 (Debian: gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user), or for
# Windows `pip install ziglang` (GCC's own Windows target misaligns the stack for AVX) and wine64.
set -euo pipefail
cd "$(dirname "$0")/.."
threads="-pthread -lm -static"
if [ "${1:-}" = windows ]; then
  CC=${CC:-python3 -m ziglang cc -target x86_64-windows-gnu} RUN=${RUN:-wine64} threads=
  isas="base avx2 avx512" have="-DFR_HAVE_AVX2 -DFR_HAVE_AVX512"
elif [ "${1:-}" = native ]; then
  CC=${CC:-gcc} RUN=${RUN:-} isas="base avx2 avx512" have="-DFR_HAVE_AVX2 -DFR_HAVE_AVX512"
else
  CC=${CC:-aarch64-linux-gnu-gcc} RUN=${RUN:-qemu-aarch64} isas="base neon" have=-DFR_HAVE_NEON
fi
declare -A machine=(
  [base]="" [neon]="" [avx2]="-mavx2 -mfma"
  [avx512]="-mavx512f -mavx512dq -mavx512vl -mavx512bw -mprefer-vector-width=512"
)
flags="-std=c11 -O3 -ffp-contract=off -fno-math-errno -fno-trapping-math -Wall -Wextra -Wno-unused-function -Icsrc"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
for isa in $isas; do
  for real in f32 f64; do
    $CC $flags ${machine[$isa]} -DFR_ISA_${isa^^} -DFR_REAL_${real^^} -DFR_TABLE=fr_kernels_${isa}_$real \
      -c csrc/kernels.c -o "$out/$isa$real.o"
  done
done
$CC $flags -D_GNU_SOURCE $have csrc/dispatch.c csrc/pool.c tools/cross_check.c "$out"/*.o $threads -o "$out/check.exe"
$RUN "$out/check.exe"
