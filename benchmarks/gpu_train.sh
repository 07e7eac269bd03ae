#!/usr/bin/env bash
# Trains avatars128 at full width on an NVIDIA GPU, in at most 7 minutes: the image cycle, samples, the whole cycle. Weights, log
# and scores land in $OUT (default: gpu-train). More flags, such as --model.channel-base 2048, go to both trainings.
set -uo pipefail
cd "$(dirname "$0")/.."
OUT=${OUT:-gpu-train}
DEVICE=${DEVICE:-cuda}
RECONSTRUCT_S=${RECONSTRUCT_S:-180} CYCLE_S=${CYCLE_S:-120}
WIDE=(--model.channel-base 16384 --model.channel-max 512 --model.light false)
LOADING=(--device "$DEVICE" --workers "${WORKERS:-12}" --save-every 10000000)
mkdir -p "$OUT"
stylemap() { python3 -m stylemap "$@"; }
train() { # SECONDS FLAG ...: a run that is told to stop saves, and says so by 143
    timeout -s TERM "$1" python3 -m stylemap train "${@:2}" "${LOADING[@]}"
    local code=$?
    [ $code -eq 0 ] || [ $code -eq 124 ] || [ $code -eq 143 ]
}
train "$RECONSTRUCT_S" --config avatars128 "${WIDE[@]}" --model.rgb-skips 0 --batch 32 --images 10000000 --out "$OUT/reconstruct" "$@" &&
    stylemap train-mapping --weights "$OUT/reconstruct" --data avatars --device "$DEVICE" --count 20000 --iterations 3000 \
        --out "$OUT/mapped.safetensors" &&
    train "$CYCLE_S" --config avatars128_cycle "${WIDE[@]}" --model.rgb-skips 0 --init-from "$OUT/mapped.safetensors" --batch 32 \
        --images 10000000 --out "$OUT/cycle" "$@" &&
    stylemap import --weights "$OUT/cycle" --half --out "$OUT/avatars128.safetensors" &&
    stylemap evaluate --weights "$OUT/avatars128.safetensors" --device "$DEVICE" --metrics mse,psnr,ssim,swd --out "$OUT/scores.json"
