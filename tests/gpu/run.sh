#!/bin/sh
# Measure imtrans on the GPU of this machine, without a network: sh run.sh [--part env,tests ...]
# Needs python3 with torch for CUDA. What it finds is in results/gpu.md and results/gpu.json.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}
export PYTHONUNBUFFERED=1

if [ ! -e "$here/installed/.whole" ]; then
    rm -rf "$here/installed"
    "$python" -m pip install --quiet --disable-pip-version-check --no-index --no-deps \
        --target "$here/installed" "$here"/wheels/*.whl
    touch "$here/installed/.whole"
fi
export PYTHONPATH="$here/installed${PYTHONPATH:+:$PYTHONPATH}"

if [ -e "$here/data.tar" ]; then
    if [ ! -e "$here/pairs/.whole" ]; then
        mkdir -p "$here/pairs"
        tar -xf "$here/data.tar" -C "$here/pairs"
        touch "$here/pairs/.whole"
    fi
    set -- --data "$here/pairs/$(ls "$here/pairs")" "$@"
fi
cd "$here"
exec "$python" tests/gpu --out results "$@"
