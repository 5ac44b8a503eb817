"""What the benchmarks are made of; the commands are the scripts beside this folder.

What any benchmark may use, and what knows none, stands here:

- measuring: `environment` (where?), `timing`, `processes` and `cluster` (who computes);
- training: `data`, `starts` (one network from many beginnings, on JAX), `fixed_noise`, `groups` and
  `progress` (which runs there are, which are missing), `results` (the file of finished ones);
- telling: `differences`, `claims`, `reporting` (intervals and tables), `arguments` (of the command
  line);
- trying what comes: `functions` and `outsiders` (in the class and out of it), `graphs` (models).

A benchmark of several rooms is a package: `trainability`, `paper`, `pinn`, `sequences`,
`transformers`, `gallery`. Nothing here imports from one; the later ones borrow tasks of earlier
ones.
"""
