"""The house rules: which way imports point, who may touch BLAS and C, and what C must not have."""

import ast
import re
import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "fastrnn"

# A module imports from levels below its own, and from its own package. A new module finds its place here.
LEVELS = (
    {"reference", "_validation", "_files", "_blas", "_csrc", "_memory"},
    {"threads", "initializers", "schedules", "data"},
    {"_kernels"},
    {"_rows", "_elementwise", "_streams", "_jordan", "_dense", "_sampling", "_arrays"},
    {"_clipping", "_optimizers"},
    {"layers", "losses", "optimizers"},
    {"serialization", "metrics"},
    {"trainer"},
    {"gradcheck", "info", "plots"},
    {"diagnostics"},
    {"fastrnn"},  # __init__.py: the public names
    {"detector", "language", "forecasting", "torch"},
    {"estimators"},
    {"bench"},
    {"cli"},
    {"__main__"},
)
# Imports inside a function that point the other way, each with its reason.
EXCEPTIONS = {
    ("layers.base", "layers.stream"),  # Layer.stream: the default stream of a layer is built on layers
    ("layers.model", "serialization"),  # Model.save: files are built on layers
    ("forecasting.model", "forecasting.files"),  # SeriesModel.save, likewise
    ("trainer.history", "plots"),  # History.plot: results can be looked at
    ("trainer.rates", "plots"),  # RangeTest.plot, likewise
    ("serialization", "fastrnn"),  # __version__
    ("info", "fastrnn"),  # __version__
}


def module_name(path):
    """Return layers.base for src/fastrnn/layers/base.py, layers for its __init__.py and fastrnn for the root's."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts) or "fastrnn"


# of a .pyx and its .pxd the former counts
MODULES = {module_name(path): path for suffix in ("pxd", "py", "pyx") for path in sorted(SOURCE.rglob(f"*.{suffix}"))}


def target(module, name):
    """Return the module that `from module import name` reaches: a submodule if there is one of that name.

    Names of others' modules begin with a dot, as torch is one of ours too.
    """
    inner = f"{module}.{name}" if name else module
    for candidate in (inner, module):
        short = candidate.removeprefix("fastrnn").removeprefix(".") or "fastrnn"
        if candidate.split(".")[0] == "fastrnn" and short in MODULES:
            return short
    return module if module.split(".")[0] == "fastrnn" else f".{module}"


def type_checking_lines(tree):
    """Return the lines that only type checkers read."""
    blocks = [n for n in ast.walk(tree) if isinstance(n, ast.If) and ast.unparse(n.test).endswith("TYPE_CHECKING")]
    return {
        node.lineno for block in blocks for line in block.body for node in ast.walk(line) if hasattr(node, "lineno")
    }


def imports(path, *, at_run_time):
    """Return what a module imports, at its top or in functions: our modules by short name, others by full name."""
    text = path.read_text(encoding="utf-8")
    if path.suffix in (".pyx", ".pxd"):
        found = re.findall(r"^\s*from\s+([\w.]+)\s+c?import\s+\(?\s*([\w, ]+)", text, re.M)
        pairs = [(module, name.strip()) for module, names in found for name in names.split(",")]
        pairs += [(module, "") for module in re.findall(r"^\s*c?import\s+([\w.]+)", text, re.M)]
        return {target(*pair) for pair in pairs}
    tree = ast.parse(text)
    skipped = type_checking_lines(tree) if at_run_time else set()
    result = set()
    for node in ast.walk(tree):
        if getattr(node, "lineno", None) in skipped:
            continue
        if isinstance(node, ast.Import):
            result |= {target(alias.name, "") for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            result |= {target(node.module, alias.name) for alias in node.names}
    return result


GRAPH = {name: imports(path, at_run_time=True) & MODULES.keys() for name, path in MODULES.items()}
package_of = {name: name.split(".")[0] for name in MODULES}


def test_the_graph_is_there():
    """The reader of imports reads: some that must be found, in each of the ways of writing one."""
    assert "_elementwise" in GRAPH["layers.base"]  # from fastrnn import _elementwise
    assert "layers.base" in GRAPH["gradcheck"]  # from fastrnn.layers.base import …
    assert "serialization" in GRAPH["layers.model"]  # within a function
    assert "_kernels" in GRAPH["_streams"]  # cimport
    assert "_csrc" in GRAPH["_kernels"]  # of a .pxd without a .pyx
    assert "_blas" not in GRAPH["_kernels"]  # whose multiplies are their own
    assert "layers.sequential" not in GRAPH["layers.stream"]  # for type checkers alone
    assert "layers.sequential" in imports(MODULES["layers.stream"], at_run_time=False)
    assert all(target in GRAPH[module] for module, target in EXCEPTIONS), "an exception that is not needed any more"


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down(module):
    level = {name: i for i, names in enumerate(LEVELS) for name in names}
    own = package_of[module]
    assert own in level, f"{own}: say in LEVELS where it stands"
    for other in imports(MODULES[module], at_run_time=False) & MODULES.keys():
        if package_of[other] != own and (module, other) not in EXCEPTIONS:
            assert level[package_of[other]] < level[own], f"{module} imports {other}"


def test_there_are_no_cycles_but_the_exceptions():
    finished = set()

    def visit(module, path):
        assert module not in path, " → ".join([*path[path.index(module) :], module])
        if module not in finished:
            for other in GRAPH[module]:
                if (module, other) not in EXCEPTIONS:
                    visit(other, [*path, module])
            finished.add(module)

    for module in MODULES:
        visit(module, [])


def test_nothing_imports_the_command_line_or_the_reference():
    for module, targets in GRAPH.items():
        assert "cli" not in map(package_of.get, targets) or package_of[module] in ("__main__", "cli"), module
        if package_of[module] not in ("reference", "bench"):  # the benchmark compares with it
            assert not {t for t in targets if package_of[t] == "reference"}, module


def test_the_reference_imports_numpy_alone():
    outside = {name for m in MODULES if package_of[m] == "reference" for name in imports(MODULES[m], at_run_time=False)}
    others = {name.removeprefix(".").split(".")[0] for name in outside - MODULES.keys()}
    assert others - sys.stdlib_module_names == {"numpy"}
    assert {package_of[name] for name in outside & MODULES.keys()} == {"reference"}


@pytest.mark.parametrize(("word", "only"), [("cython_blas", "_blas.pyx"), ('extern from "fastrnn.h"', "_csrc.pxd")])
def test_one_file_reaches_what_lies_below(word, only):
    files = [path for suffix in ("py", "pyi", "pyx", "pxd") for path in SOURCE.rglob(f"*.{suffix}")]
    assert [path.name for path in files if word in path.read_text(encoding="utf-8")] == [only]


# ---- C and the compiler ----

C_FILES = sorted((ROOT / "csrc").rglob("*.[ch]"))
FORBIDDEN = (
    r"Python\.h|stdio\.h|stdlib\.h|\b(?:\w*alloca?|free|\w*printf|fopen|exit|abort|getenv)\s*\(|fast-math|\bOfast\b"
)

STATIC_VARIABLE = r"\bstatic\b(?![^;(={]*\bconst\b)[^;(={]*[;=]"


def code_of(path):
    """Return a C file without its comments."""
    return re.sub(r"/\*.*?\*/|//[^\n]*", " ", path.read_text(encoding="utf-8"), flags=re.S)


@pytest.mark.parametrize("path", C_FILES, ids=lambda path: path.name)
def test_c_neither_allocates_nor_prints_nor_knows_python(path):
    found = re.search(FORBIDDEN, code_of(path))
    assert found is None, found


@pytest.mark.parametrize("path", C_FILES, ids=lambda path: path.name)
def test_c_keeps_state_in_the_pool_alone_and_knows_the_system_in_one_header(path):
    code = code_of(path)
    assert bool(re.search(STATIC_VARIABLE, code)) == (path.name == "pool.c")
    assert bool(re.search("pthread_create", code)) == (path.name == "system.h")
    assert path.name == "system.h" or not re.search("pthread|windows.h", code)
    assert path.name in ("pool.c", "system.h") or "system.h" not in code


def test_the_forbidden_words_would_be_found():
    for bad in (
        "#include <Python.h>",
        "p = malloc(8);",
        "printf(x)",
        "free (p);",
        'optimize("fast-math")',
        "alloca(3)",
    ):
        assert re.search(FORBIDDEN, bad)
    for bad in ("static int calls = 0;", "  static real buffer[64];"):
        assert re.search(STATIC_VARIABLE, bad)
    assert len(C_FILES) > 8


def flags(tree):
    """Return the command-line flags among the strings of a Python file."""
    return {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and re.match(r"-[a-zA-Z]", str(n.value))}


def test_the_compiler_keeps_nan_and_the_order_of_operations():
    tree = ast.parse((ROOT / "setup.py").read_text(encoding="utf-8"))
    used = flags(tree)
    assert not {flag for flag in used if re.search("fast|unsafe|finite|associative|reciprocal|native|openmp", flag)}
    assert {"-std=c11", "-ffp-contract=off", "-fvisibility=hidden"} <= used
    # Instructions that not every CPU has are for the table of ISAs alone.
    tables = [n for n in tree.body if isinstance(n, ast.Assign) and n.targets[0].id in ("X86", "ARM")]
    machine = {flag for flag in used if flag.startswith("-m")}
    assert machine
    assert machine == {flag for table in tables for flag in flags(table) if flag.startswith("-m")}
    tree.body = [n for n in tree.body if n not in tables]
    assert not {flag for flag in flags(tree) if flag.startswith("-m")}
    assert not re.search(r"[\"' ]-[fmO]\w", (ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_every_mutation_finds_what_it_breaks():
    found = runpy.run_path(str(ROOT / "tools" / "mutate.py"))
    mutations = found["MUTATIONS"]
    lost = [one.name for one in mutations if (ROOT / one.file).read_text(encoding="utf-8").count(one.old) != 1]
    assert not lost
    assert len({one.name for one in mutations}) == len(mutations) > 400
    tests = {name for names in (found["FIRST"], *(one.first for one in mutations)) for name in names}
    assert not [name for name in tests if not (ROOT / "tests" / f"test_{name}.py").is_file()]
