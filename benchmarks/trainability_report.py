"""Scores the runs of `trainability.py` and writes the page about them.

    python benchmarks/trainability_report.py standard.jsonl
    python benchmarks/trainability_report.py one.jsonl more.jsonl.gz --reading says.md

Half a minute. Nothing here trains or imports a backend: the scores are functions of the rows.
`--reading` is a file of text, written by hand, that the page takes in: what the numbers mean.
"""

from oddsig_benchmarks.trainability.report.command import main

if __name__ == "__main__":
    main()
