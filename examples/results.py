"""Run every example and write docs/results.md from what they leave.

python examples/results.py                 everything, one example after another
python examples/results.py reber adding    these alone; the page has the last results of the others
python examples/results.py --page          train nothing: write the page again
"""

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from common import RESULTS
from fastrnn._files import write_whole
from fastrnn.bench.running import machine

HERE = Path(__file__).parent
PAGE = RESULTS.parent / "results.md"
NAMES = [  # in the lesson's order
    "overfitting",
    "tdnn_window",
    "elman_xor",
    "elman_letters",
    "jordan",
    "vanishing",
    "exploding",
    "reber",
    "adding",
    "temporal_order",
    "copy_memory",
    "anbn",
    "word_detector",
    "forecast",
    "char_lm",
    "next_word",
    "speech",
    "gesture",
    "video",
    "sentiment",
    "seq2seq_addition",
]
HEAD = """\
# Results

What the examples reach, on the classic tasks of the literature and on real data. All tables and pictures here are
written by `make results`, which runs each script of `examples/` as it stands, {minutes:.0f} minutes in all on the
machine below; the test suite runs each in a reduced form.

A row has one training a seed, from seed 0 on: the mean over the seeds, the worst of them, and the mean time of one
training on one core. A row without a task has that of the row above. {verdict}

{machine}

"""
COLUMNS = (
    "| task | measure | mean | worst | seeds | time | target | | published |\n|---|---|---|---|---|---|---|---|---|\n"
)
VERDICTS = {True: "met", False: "**missed**", None: ""}


@click.command(help=__doc__)
@click.argument("names", nargs=-1, type=click.Choice(NAMES))
@click.option("--page", is_flag=True, help="Train nothing.")
def main(names: tuple[str, ...], page: bool) -> None:
    """Run examples, then write the page."""
    for name in () if page else names or NAMES:
        print(f"== {name}", flush=True)
        _run(name)
        _note_machine()
    write_whole(PAGE, results_page().encode())
    print(f"wrote {PAGE}")


def _run(name: str) -> None:
    with subprocess.Popen([sys.executable, HERE / f"{name}.py"]) as process:
        try:
            code = process.wait()
        except KeyboardInterrupt:
            process.terminate()  # not killed, as by subprocess.run: it has workers to end
            raise
    if code:
        raise click.ClickException(f"examples/{name}.py failed; {PAGE.name} is as it was")


def _note_machine() -> None:
    """Keep what the page's head tells of the machine."""
    found = {key: value for key, value in machine().items() if key not in ("kernel threads", "BLAS threads")}
    write_whole(RESULTS / "machine.json", (json.dumps(found, indent=1) + "\n").encode())


def results_page() -> str:
    """Return docs/results.md."""
    found = {name: _read(f"{name}.json") for name in NAMES}
    head = HEAD.format(
        minutes=sum(one["elapsed"] for one in found.values()) / 60,
        verdict=verdict({name: [row["met"] for row in one["rows"]] for name, one in found.items()}),
        machine="\n".join(f"- {key}: {value}" for key, value in _read("machine.json").items()),
    )
    return head + "\n".join(section(name) for name in NAMES)


def verdict(met: dict[str, list[bool | None]]) -> str:
    """Return how many targets are met, and which examples miss one."""
    asked = [one for own in met.values() for one in own if one is not None]
    missed = [f"`{name}`" for name, own in met.items() if False in own]
    return f"{sum(asked)} of {len(asked)} targets are met" + (f"; {', '.join(missed)} missed one." if missed else ".")


def _read(name: str) -> dict[str, Any]:
    return json.loads((RESULTS / name).read_text(encoding="utf-8"))


def section(name: str) -> str:
    """Return one example's part of the page: what it is, its rows, its picture, and what else it has to say."""
    title, _, about = description(name).partition("\n")
    found = _read(f"{name}.json")
    parts = [
        f"## {title.rstrip('.')}",
        about.strip(),
        f"`python examples/{name}.py`",
        COLUMNS + "\n".join(map(line, found["rows"])),
        f"![{title.rstrip('.')}](results/{name}.png)",
        found["text"],
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def description(name: str) -> str:
    """Return the docstring of an example, which the page quotes."""
    text = ast.get_docstring(ast.parse((HERE / f"{name}.py").read_text(encoding="utf-8")))
    assert text is not None, f"{name}.py says nothing of itself"
    return text


def line(row: dict[str, Any]) -> str:
    """Return one row of a table."""
    seconds = row["seconds"]
    cells = (
        row["task"],
        row["measure"],
        number(row["mean"]),
        number(row["worst"]) if len(row["values"]) > 1 else "",
        len(row["values"]),
        f"{number(sum(seconds) / len(seconds))} s" if seconds else "",
        row["target"],
        VERDICTS[row["met"]],
        row["published"],
    )
    return f"| {' | '.join(map(str, cells))} |"


def number(value: float) -> str:
    """Return a number with four digits, or all before the point."""
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e9 else f"{value:.4g}"


if __name__ == "__main__":
    main()
