#!/usr/bin/env bash
# What a GPU has to say; from the root of a checkout:
#
#     bash benchmarks/gpu.sh FOLDER costs tests paper colour
#
# costs: kernels, activations and the callback, as ratios, on JAX and PyTorch; alone, since they
#        are timed
# tests: the suite on JAX and PyTorch, several processes each (needs pytest-xdist)
# paper: the ICLR 2025 paper's tables, MNIST first, for PAPER_SECONDS (240)
# colour: CIFAR-10 for five epochs, and in convolutional networks
#
# Each part keeps to a limit (COST_SECONDS for each figure, TEST_SECONDS, PAPER_SECONDS, and
# COLOUR_SECONDS for each of its two grids), ten minutes for the first two together.
#
# Everything goes into FOLDER, and a training that was stopped goes on there. Products are those of
# float32, and not of TensorFloat-32: what is compared was made on processors.
set -u
folder=$1
shift
mkdir -p "$folder"
here=benchmarks
export JAX_DEFAULT_MATMUL_PRECISION=highest XLA_PYTHON_CLIENT_PREALLOCATE=false

costs() {
  for backend in jax torch; do
    KERAS_BACKEND=$backend timeout "${COST_SECONDS:-100}" python3 $here/initializers.py --runs 5 \
      --output "$folder/initializers-$backend-gpu.json"
    KERAS_BACKEND=$backend timeout "${COST_SECONDS:-100}" python3 $here/callback.py --runs 5 \
      --output "$folder/callback-$backend-gpu.json"
  done
}

tests() {
  for backend in jax torch; do
    KERAS_BACKEND=$backend timeout "${TEST_SECONDS:-300}" python3 -m pytest -v -p no:benchmark \
      -n "${WORKERS:-6}" --ignore=tests/solver tests >"$folder/tests-$backend.log" 2>&1 &
  done
  wait
  grep -hE "^(FAILED|ERROR|=+ .*(passed|failed))" "$folder"/tests-*.log
}

paper() {
  KERAS_BACKEND=jax python3 $here/paper_tables.py --budget "${PAPER_SECONDS:-240}" \
    --results "$folder/paper.jsonl" ${PAPER_OPTIONS:-}
}

colour() {
  for grid in long conv; do
    KERAS_BACKEND=jax timeout "${COLOUR_SECONDS:-240}" python3 $here/trainability.py \
      "--colour-$grid" --jobs 1 --results "$folder/colour.jsonl"
  done
}

for part in "$@"; do
  "$part"
done
