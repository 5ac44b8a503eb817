"""The classification tables of the ICLR 2025 paper, and the same networks trained here.

`published` has the paper's figures, `cells` the networks and how long they train, `methods` their
initial weights, `tasks` the pixels, `training` the compiled function that trains a stack of runs,
`command` the order of the cells and the time that is left, `scores` and `page` what came of it.
"""
