#!/usr/bin/env bash
# What only an idle machine can measure, in about 25 minutes on two cores: JSON and tables land in $OUT (default:
# benchmark-results). Run nothing else meanwhile.
set -uo pipefail
cd "$(dirname "$0")/.."
OUT=${OUT:-benchmark-results}
PYTHON=${PYTHON:-python3}
mkdir -p "$OUT"
status=0
measure() { # NAME MODULE [FLAG ...]
    "$PYTHON" -m "$2" "${@:3}" --json "$OUT/$1.json" | tee "$OUT/$1.md" || status=1
}
# From the brush to the preview, and to the exact image.
measure editor benchmarks.editor
# Our training step, in the passes that auto takes and in float32, against the plain one.
measure training-avatars64 benchmarks.training --config configs/avatars64.yaml --rounds 3 --undo
measure training-avatars32 benchmarks.training --rounds 5 --undo
# Training alone, and beside one busy process.
measure beside benchmarks.beside
exit $status
