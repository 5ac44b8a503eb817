"""What the runs say: `scores`, the `claims` about them, `tailored` (`ko.tailor` beside the
recipe by hand), `noise` (the papers' kernel under several), `page` and `pictures` of all,
`command`.

Each knows those before it. Nothing here trains or imports a backend: the scores are functions
of the rows of a results file.
"""
