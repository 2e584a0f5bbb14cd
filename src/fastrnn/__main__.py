"""``python -m fastrnn``: the command line."""

from fastrnn.cli import run

run()
