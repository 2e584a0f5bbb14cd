"""The benchmark: the same cases for every contestant, first compared and then timed; ``fastrnn bench`` runs it.

`cases` and `training` say what is run, `contestants` who runs it, `timing` how, `targets` what is asked of the outcome.
Each thread count has a process of its own (`worker`), started by `running`; `report` and `pictures` show what came of
it.
"""
