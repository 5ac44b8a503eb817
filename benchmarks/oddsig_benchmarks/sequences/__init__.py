"""Recurrent networks on long sequences: whose kernels carry what came first to the end?

`tasks`, `methods` and `runs` say what is trained, `training` trains it, `scores` and `page` say
what came of it, `command` is the command line.
"""
