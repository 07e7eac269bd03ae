#!/usr/bin/env bash
# One command for a machine with an NVIDIA GPU, at most 7 minutes: the tests on CUDA, then the benchmarks, each with a limit of
# its own. JSON and logs land in $OUT (default: benchmark-results). Where nothing can be downloaded, put the missing wheels into
# .whl/ first.
set -uo pipefail
cd "$(dirname "$0")/.."
OUT=${OUT:-benchmark-results}
mkdir -p "$OUT"
export PYTHONUNBUFFERED=1
if compgen -G '.whl/*.whl' >/dev/null; then
    site=$(mktemp -d)
    python3 -m pip install -q --no-index --no-deps --no-compile --target "$site" .whl/*.whl || exit
    export PYTHONPATH=$site:${PYTHONPATH:-}
fi
python3 -c 'import torch; assert torch.cuda.is_available(), "no CUDA device"; print(torch.__version__, torch.cuda.get_device_name())' || exit
status=0
timeout 110 python3 -m pytest -q tests/test_cuda.py tests/training/test_augment.py tests/parity tests/op 2>&1 |
    tee "$OUT/tests.log" || status=1
# The published model, 256 px, batch 16; LPIPS's weights are a download, so the discriminator's features stand in for it.
timeout 140 python3 -m benchmarks.speed --config configs/ffhq256.yaml --device cuda --rounds 2 \
    --json "$OUT/speed-ffhq256.json" 2>&1 | tee "$OUT/speed-ffhq256.md" || status=1
timeout 60 python3 -m benchmarks.training --config configs/avatars64.yaml --device cuda --rounds 2 \
    --json "$OUT/training-avatars64.json" 2>&1 | tee "$OUT/training-avatars64.md" || status=1
# Each kernel in Triton against its reference and against the floor of its bytes.
timeout 50 python3 -m benchmarks.kernels --device cuda --rounds 5 --json "$OUT/kernels.json" 2>&1 |
    tee "$OUT/kernels.md" || status=1
# The shipped weights: the encoder against optimisation.
timeout 50 python3 -m stylemap benchmark inversion --weights avatars32 avatars32_stylegan2 --device cuda --batch-gpu 16 \
    --methods encoder hybrid:steps=50 w:steps=100 w+:steps=100,1000 --out "$OUT/inversion" 2>&1 |
    tee "$OUT/inversion.log" || status=1
exit $status
