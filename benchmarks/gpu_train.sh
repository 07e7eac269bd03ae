#!/usr/bin/env bash
# Trains avatars128 at full width on an NVIDIA GPU, in at most 7 minutes: the image cycle, samples, the whole cycle. Weights, log
# and scores land in $OUT (default: gpu-train). Flags go to both trainings.
set -uo pipefail
cd "$(dirname "$0")/.."
OUT=${OUT:-gpu-train}
DEVICE=${DEVICE:-cuda}
RECONSTRUCT_S=${RECONSTRUCT_S:-180} CYCLE_S=${CYCLE_S:-120} # seconds
WIDE=(--model.channel-base "${WIDTH:-16384}" --model.channel-max "${MOST:-512}" --model.light false --model.rgb-skips 0)
HOW=(--device "$DEVICE" --workers "${WORKERS:-12}" --batch "${BATCH:-32}" --images 10000000 --save-every 10000000)
STYLEMAPS=${STYLEMAPS:-20000}
mkdir -p "$OUT"
stylemap() { python3 -m stylemap "$@"; }
train() { # SECONDS FLAG ...: a run that is told to stop saves, and says so by 143
    timeout -s TERM "$1" python3 -m stylemap train "${@:2}" "${WIDE[@]}" "${HOW[@]}"
    local code=$?
    [ $code -eq 0 ] || [ $code -eq 124 ] || [ $code -eq 143 ]
}
train "$RECONSTRUCT_S" --config avatars128 --out "$OUT/reconstruct" "$@" &&
    stylemap train-mapping --weights "$OUT/reconstruct" --data avatars --device "$DEVICE" --count "$STYLEMAPS" --iterations 3000 \
        --out "$OUT/mapped.safetensors" &&
    train "$CYCLE_S" --config avatars128_cycle --init-from "$OUT/mapped.safetensors" --out "$OUT/cycle" "$@" &&
    stylemap import --weights "$OUT/cycle" --half --out "$OUT/avatars128.safetensors" &&
    stylemap evaluate --weights "$OUT/avatars128.safetensors" --device "$DEVICE" --metrics mse,psnr,ssim,swd --out "$OUT/scores.json"
