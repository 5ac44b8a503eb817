"""What the runs say: `scores`, the `claims` about them, `page` and `pictures` of both, `command`.

Each knows those before it. Nothing here trains or imports a backend: the scores are functions
of the rows of a results file.
"""
