"""Which initialization lets a physics-informed network solve its equation?

    KERAS_BACKEND=jax python benchmarks/pinn.py --smoke
    KERAS_BACKEND=jax python benchmarks/pinn.py --standard --results standard.jsonl
    python benchmarks/pinn_report.py standard.jsonl

For whoever doubts its page: minutes with `--smoke`, hours with a grid. Trained as the field trains
them: Adam, then L-BFGS, on all collocation points at once. Every method
(`oddsig_benchmarks/pinn/methods.py`) gets the same equation (`equations.py` there), network,
points, steps and seeds. A run appends one line to the results file as it finishes; started again,
the script goes on where it stopped. `--estimate` times the first steps of each kind of network and
says how long the grid would take. On JAX only, in float64 with JAX_ENABLE_X64=1. The same seed
gives the same numbers on the same machine.
"""

from oddsig_benchmarks.pinn.command import main

if __name__ == "__main__":
    main()
