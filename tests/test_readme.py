"""The documents: their Python blocks run as they stand; the README's first two shell blocks are one line each."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return [
        code for kind, code in re.findall(r"^```(\w+)\n(.*?)^```", text, re.DOTALL | re.MULTILINE) if kind == language
    ]


PAGES = ("README.md", *(f"docs/{name}.md" for name in ("own_layers", "layers", "data", "training", "diagnostics")))
PYTHON = [code for page in PAGES for code in blocks(page, "python")]


@pytest.mark.parametrize("code", PYTHON, ids=range(len(PYTHON)))
def test_python_blocks_run(code: str, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out


def test_the_two_commands_are_one_line_each() -> None:
    assert len(PYTHON) >= 4
    install, test = blocks("README.md", "sh")[:2]
    assert install.count("\n") == test.count("\n") == 1
    assert "fastrnn detect udacity" in install
    assert "pytest" in test
