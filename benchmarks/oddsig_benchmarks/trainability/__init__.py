"""Which initialization trains a deep network of odd, saturating activations?

Rooms, each of which knows those before it: `methods` and `tasks` (who competes, at what),
`grids` (cells, and the runs in them), `recipe` (what training is, for all alike), `networks`,
`plain` and `stacked` (the two ways to do it), `training` (the rows of a group of runs),
`estimate` and `command`. `report` reads the rows, and knows none of these.
"""
