"""What the runs say: `paper` (the authors' own figures), `scores`, `wording` (of cells, numbers),
`tailored` (`ko.tailor` beside the initializers by hand), `page`, `command`.

Each knows those before it. Nothing here trains or imports a backend: the scores are functions
of the rows of a results file.
"""
