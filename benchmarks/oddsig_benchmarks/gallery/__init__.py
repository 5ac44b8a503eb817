"""Models as others write them, trained as they come from Keras and after `tailor`.

From the ground up: `models` builds, `tasks` says what is learned, `entries` puts the two together,
with rates and recipes; `training` trains (JAX), `scores` compares, `page` writes it down, and
`command` is the command line. No model knows of an initializer.
"""
