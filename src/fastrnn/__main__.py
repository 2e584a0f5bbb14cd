"""``python -m fastrnn``: the command line."""

from fastrnn.cli.main import run

run()
