"""Scores the runs of `pinn.py` and writes the page about them.

    python examples/benchmarks/pinn_report.py standard.jsonl
    python examples/benchmarks/pinn_report.py one.jsonl more.jsonl.gz --output page.md

Nothing here trains or imports a backend: the scores are functions of the rows.
"""

from oddsig_benchmarks.pinn.report.command import main

if __name__ == "__main__":
    main()
