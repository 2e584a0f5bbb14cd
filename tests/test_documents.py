"""The documents: Python blocks run and print what the page shows; links lead somewhere; the reference is complete.

README's first two shell blocks are one line each, for CI runs the second.
"""

import importlib.util
import pkgutil
import re
import shutil
from pathlib import Path
from types import ModuleType

import pytest

import fastrnn
from fastrnn.cli.main import main

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md"]
DOCUMENTS += sorted(page for page in (ROOT / "docs").rglob("*.md") if "api" not in page.parts)
PAGES = [str(page.relative_to(ROOT)) for page in DOCUMENTS]
FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
OF_KERAS = r"(?m:^import keras\b)"
OF_TORCH = re.compile(rf"(?m:^(?:import|from) (?:fastrnn[.])?torch\b)|{OF_KERAS}")
HAS_TORCH = importlib.util.find_spec("torch") is not None
NUMBER = re.compile(r"-?\d[\d,]*\.?\d*(?:e[+-]?\d+)?")


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


# ---- code ----


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text_of(page), re.DOTALL | re.MULTILINE)


def runs(page: str) -> list[tuple[str, str]]:
    """Return Python blocks, each with the block of text that follows it at once, or an empty one."""
    found = re.findall(r"^```python\n(.*?)^```$(?:\n\n```text\n(.*?)^```)?", text_of(page), re.DOTALL | re.MULTILINE)
    assert len(found) == len(blocks(page, "python"))
    return found


RUNS = [(f"{page}-{i}", *found) for page in PAGES for i, found in enumerate(runs(page))]
MARKED = [pytest.param(*run, id=run[0], marks=[pytest.mark.torch] if OF_TORCH.search(run[1]) else []) for run in RUNS]
AS_KERAS_WARNS = "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"  # with NumPy 2


def alike(printed: str, shown: str) -> bool:
    """Return whether the words are equal, and the numbers up to what other instructions may round otherwise.

    Whole numbers may differ by 1 %, others by 10 % or one unit of their last place.
    """
    if "".join(NUMBER.sub("#", printed).split()) != "".join(NUMBER.sub("#", shown).split()):
        return False
    return all(close(*pair) for pair in zip(NUMBER.findall(printed), NUMBER.findall(shown), strict=True))


def close(printed: str, shown: str) -> bool:
    a, b = (float(number.replace(",", "")) for number in (printed, shown))
    decimals = len(shown.partition(".")[2])
    return abs(a - b) <= (max(0.1 * abs(b), 1.001 * 10**-decimals) if "." in shown else 0.01 * abs(b))


def only_with_torch(needed: bool) -> None:
    if needed:
        pytest.importorskip("torch").set_num_threads(1)  # small work, and side by side with other tests


def only_with_keras(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip unless there is Keras, and let it compute by PyTorch and keep its settings here."""
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    monkeypatch.setenv("KERAS_HOME", str(home))
    pytest.importorskip("keras")


@pytest.mark.filterwarnings(AS_KERAS_WARNS)
@pytest.mark.parametrize(("name", "code", "shown"), MARKED)
def test_python_blocks_run(name: str, code: str, shown: str, tmp_path: Path, monkeypatch, capsys) -> None:
    only_with_torch(bool(OF_TORCH.search(code)))
    if re.search(OF_KERAS, code):
        only_with_keras(tmp_path, monkeypatch)
    if "examples/data/" in code:
        shutil.copytree(ROOT / "examples/data", tmp_path / "examples/data")
    monkeypatch.chdir(tmp_path)
    exec(compile(code, name, "exec"), {"__name__": "__main__"})
    printed = capsys.readouterr().out
    assert printed
    assert not shown or alike(printed, shown), printed


def test_another_output_is_told() -> None:
    assert alike("loss 0.51, [ 1. -0.25]\nok", "loss 0.50, [1. -0.24]\nok")
    assert not alike("loss 0.60", "loss 0.50")
    assert not alike("loss 0.5", "lost 0.5")
    assert not alike("(4, 49, 1)", "(4, 50, 1)")
    assert not alike("1 2", "1")


def test_the_two_commands_are_one_line_each() -> None:
    assert len(runs("README.md")) >= 3
    install, test = blocks("README.md", "sh")[:2]
    assert install.count("\n") == test.count("\n") == 1
    assert "fastrnn detect udacity" in install
    assert "pytest" in test


# ---- links and pictures ----


def links(page: str) -> list[str]:
    """Return the targets of links and pictures within the project."""
    prose = re.sub(r"`[^`\n]*`", "", FENCE.sub("", text_of(page)))
    return [target for target in re.findall(r"\]\(([^)\s]+)\)", prose) if not target.startswith("http")]


def anchors(page: Path) -> set[str]:
    """Return the names that a forge gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_links_and_pictures_exist(page: str) -> None:
    for target in links(page):
        path, _, anchor = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        assert file.is_file(), f"{page}: {target}: no such file"
        assert not anchor or anchor in anchors(file), f"{page}: {target}: no such heading"


def test_the_finder_of_links_finds() -> None:
    assert {"docs/data.md", "CHANGELOG.md"} <= set(links("README.md"))
    assert {"../pictures/flow.png", "../diagnostics.md#gradients-over-time"} <= set(links("docs/tutorial/gradients.md"))


def test_every_page_is_in_the_site() -> None:
    """Each has its line in the table of contents of the index of its directory, or is an index."""
    for page in DOCUMENTS[2:]:
        if page != ROOT / "docs/index.md":
            index = page.parent / "index.md" if page.name != "index.md" else page.parents[1] / "index.md"
            entry = page.relative_to(index.parent).with_suffix("").as_posix()
            assert any(entry in tree.split("\n") for tree in blocks_of_contents(index)), entry


def blocks_of_contents(index: Path) -> list[str]:
    return re.findall(r"^```\{toctree\}\n(.*?)^```", index.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


# ---- the reference ----


def listed() -> dict[str, object]:
    """Return what docs/reference.md lists, by name; what only PyTorch can import, only where it is installed."""
    found: dict[str, object] = {}
    current: ModuleType | None = fastrnn
    for directive, module, name in re.findall(
        r"^\.\. (current)?module:: (\S+)$|^   ([A-Za-z_]\w*)$", text_of("docs/reference.md"), re.MULTILINE
    ):
        if module.startswith("fastrnn.torch") and not HAS_TORCH:
            current = None
        elif name:
            if current:
                found[f"{current.__name__}.{name}"] = getattr(current, name)
        else:
            current = importlib.import_module(module)
            if not directive:
                found[module] = current
    return found


PUBLIC = [
    f"fastrnn.{package.name}"
    for package in pkgutil.iter_modules(fastrnn.__path__)
    if package.ispkg and package.name not in ("bench", "cli")  # what the commands are made of
]


MARKED_PACKAGES = [
    pytest.param(name, marks=[pytest.mark.torch] if name == "fastrnn.torch" else []) for name in ("fastrnn", *PUBLIC)
]


@pytest.mark.parametrize("package", MARKED_PACKAGES)
def test_what_is_public_is_in_the_reference(package: str) -> None:
    only_with_torch(package == "fastrnn.torch")
    module = importlib.import_module(package)
    things = list(listed().values())
    missing = [name for name in module.__all__ if not any(thing is getattr(module, name) for thing in things)]
    assert not missing


def test_the_reference_introduces_each_module_once() -> None:
    modules = re.findall(r"^\.\. module:: (\S+)$", text_of("docs/reference.md"), re.MULTILINE)
    assert sorted(modules) == sorted(set(modules))


# ---- the command line ----


def test_every_command_and_option_is_on_the_page_of_commands() -> None:
    text = text_of("docs/command_line.md")
    sections = dict(re.findall(r"^## fastrnn (\w+)\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE))
    for name, command in main.commands.items():
        rows = [line.split("|")[1] for line in sections.pop(name).splitlines() if line.startswith("| `-")]
        options = {option for parameter in command.params for option in parameter.opts if option.startswith("--")}
        assert set(re.findall(r"`(--[\w-]+)`", "".join(rows))) == options, name
    assert not sections
