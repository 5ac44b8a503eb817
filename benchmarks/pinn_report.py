"""Scores the runs of `pinn.py` and writes the page about them.

    python benchmarks/pinn_report.py standard.jsonl
    python benchmarks/pinn_report.py one.jsonl more.jsonl.gz --reading says.md

Some seconds. Nothing here trains or imports a backend: the scores are functions of the rows.
`--reading` is a file of text, written by hand, that the page takes in: what the numbers mean.
"""

from oddsig_benchmarks.pinn.report.command import main

if __name__ == "__main__":
    main()
