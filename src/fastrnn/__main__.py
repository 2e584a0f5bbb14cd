"""``python -m fastrnn``: the command line."""

from fastrnn.cli import main

main(prog_name="fastrnn")
