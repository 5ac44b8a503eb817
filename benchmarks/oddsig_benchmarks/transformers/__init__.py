"""Transformers without normalization: how near does a tailored Dynamic Tanh come to LayerNorm?

`tasks`, `models`, `methods` and `runs` say what is trained, `training` trains it, `scores`, `page`
and `pictures` say what came of it, `command` is the command line.
"""
