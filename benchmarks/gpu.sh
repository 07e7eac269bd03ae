#!/usr/bin/env bash
# One command for a machine with an NVIDIA GPU, under 9 minutes: the tests on CUDA, then the benchmarks; JSON and logs land in
# $OUT (default: benchmark-results). Where nothing can be downloaded, put the missing wheels into .whl/ first.
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
timeout 150 python3 -m pytest -q tests/test_cuda.py tests/parity tests/op 2>&1 | tee "$OUT/tests.log" || status=1
for recipe in avatars32 avatars64; do # 256 px does not fit into the time: float64 checks and eight comparisons
    timeout 170 python3 -m benchmarks.training --config "configs/$recipe.yaml" --device cuda --rounds 2 \
        --json "$OUT/training-$recipe.json" 2>&1 | tee "$OUT/training-$recipe.md" || status=1
done
exit $status
