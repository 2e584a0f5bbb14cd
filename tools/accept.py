"""The acceptance runs of the word detector: every word trained from scratch and scored, English text searched.

    python tools/accept.py           all words, three seeds for the first two
    python tools/accept.py --quick   one seed a word (what CI runs)

Prints a line a run and exits with 1 if any is below what is asked of it.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from fastrnn.detector import Letters, score, train

# word, cell, seeds, least precision and recall on a million random letters
WORDS = [
    ("udacity", "lstm", 3, 0.999),
    ("happy", "lstm", 3, 0.999),
    ("a", "lstm", 1, 0.99),
    ("aaa", "lstm", 1, 0.99),
    ("mississippi", "lstm", 1, 0.99),
    ("internationalization", "lstm", 1, 0.99),
    ("udacity", "rnn", 1, 0.99),
]
SECONDS = 60  # longest training, on two cores
ENGLISH = ("return", "object")  # searched in English text through the command line
ENGLISH_LEAST = 0.99
ENGLISH_CHARACTERS = 400_000


def random_letters(word: str, cell: str, seed: int, least: float) -> bool:
    """Train and score one detector, as ``fastrnn detect WORD --cell CELL --seed SEED`` does."""
    start = time.perf_counter()
    detector, _ = train(Letters(word), cell=cell, seed=np.random.default_rng([seed, 0]), verbose=0)
    seconds = time.perf_counter() - start
    result = score(detector, seed=np.random.default_rng([seed, 1]))
    return report(
        f"{word} ({cell}, seed {seed})",
        result.reaches(least) and seconds < SECONDS,
        f"{seconds:5.1f} s  {result}, asked {least}",
    )


def english_text() -> str:
    """Return real English text: CPython's own help topics."""
    from pydoc_data.topics import topics  # noqa: PLC0415 - large

    text = "\n".join(topics.values())
    if len(text) < ENGLISH_CHARACTERS:
        raise SystemExit(f"pydoc_data.topics has {len(text)} characters, expected {ENGLISH_CHARACTERS}")
    return text


def english(word: str, directory: Path) -> bool:
    """Let the command find a word in English text, and compare with the regular expression."""
    text, path = english_text(), directory / "topics.txt"
    path.write_text(text, encoding="utf-8")
    pattern = re.compile(f"(?={word})", re.IGNORECASE)
    truth = {
        (number, match.start() + 1)
        for number, line in enumerate(text.split("\n"), 1)
        for match in pattern.finditer(line)
    }
    command = [sys.executable, "-m", "fastrnn", "detect", word, str(path), "--json"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        return report(word, False, done.stderr.strip().splitlines()[-1])
    lines = done.stdout.splitlines()
    found = {(entry["line"], entry["column"]) for entry in map(json.loads, lines)}
    right = len(found & truth)
    precision, recall = right / max(len(found), 1), right / len(truth)
    ok = min(precision, recall) >= ENGLISH_LEAST
    return report(
        f"{word} in {len(text):,} characters of English",
        ok,
        f"precision {precision:.5f}, recall {recall:.5f} ({right} of {len(truth)}), asked {ENGLISH_LEAST}",
    )


def report(what: str, ok: bool, numbers: str) -> bool:
    """Print one line and hand on the verdict."""
    print(f"{'ok  ' if ok else 'FAIL'}  {what:42} {numbers}", flush=True)
    return ok


def main() -> int:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one seed a word")
    quick = parser.parse_args().quick
    verdicts = [
        random_letters(word, cell, seed, least)
        for word, cell, seeds, least in WORDS
        for seed in range(1 if quick else seeds)
    ]
    with tempfile.TemporaryDirectory() as directory:
        verdicts += [english(word, Path(directory)) for word in ENGLISH]
    print(f"{sum(verdicts)} of {len(verdicts)} accepted")
    return 0 if all(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
