"""Which initialization lets a physics-informed network solve its equation?

Rooms, each of which knows those before it: `equations` (with `allen_cahn`, the one solution that
has to be computed) and `cells` (what is solved, by which networks, and the grids of that),
`methods` (who competes), `grids` (the runs in the cells), `networks` (functions of a point and
their derivatives), `training` (Adam, L-BFGS, and the rows of a group of runs), `estimate` and
`command`. `report` reads the rows, and knows of these `cells` alone.
"""
