"""What the benchmarks are made of; the commands are the scripts beside this folder.

Here stands what any benchmark may use and what knows none: `environment` (where was this
measured?), `results` (the file of finished runs), `processes` and `cluster` (who computes),
`progress` (running what is missing), `arguments` (of the command line), `reporting` (intervals
and tables), `data` (arrays to learn from). A benchmark of several rooms is a package of its own:
`trainability`, `pinn`. Nothing here imports from one.
"""
