"""The extensions, and which ISAs the kernels are compiled for. Everything else is in pyproject.toml.

``csrc/kernels.c`` is compiled once for each ISA and element type, each time with that ISA's flags; no other
file sees those flags, so that the library runs on any CPU of the family and chooses at import.

FASTRNN_SANITIZE=1 builds with the address and undefined-behaviour sanitizers and Cython's bounds checks.
"""

import os
import shutil
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

X86 = {
    "base": [],
    "avx2": ["-mavx2", "-mfma"],
    "avx512": ["-mavx512f", "-mavx512dq", "-mavx512vl", "-mavx512bw", "-mprefer-vector-width=512"],
}
ARM = {"base": [], "neon": []}
REALS = ("f32", "f64")

SANITIZE = os.environ.get("FASTRNN_SANITIZE") == "1"
# NaN and infinities keep their meaning (no -ffast-math), and a multiply-add is fused only where the code says so.
OPTIMISE = ["-std=c11", "-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-fvisibility=hidden"]
WARN = ["-Wall", "-Wextra", "-Wno-unused-function"]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-g", "-O1"] if SANITIZE else ["-g0"]


def isas() -> dict[str, list[str]]:
    """Return the ISAs of the target machine and their compiler flags."""
    target = sysconfig.get_platform().lower()  # of the target, also when cross-compiling
    if "arm64" in target or "aarch64" in target:
        return ARM
    if "x86_64" in target or "amd64" in target:
        return X86
    return {"base": []}  # among them macOS universal2, one set of objects for two kinds of CPU


def use_clang_cl(compiler: Any) -> None:
    """Let setuptools' driver of MSVC call clang-cl, which takes MSVC's options, and GCC's behind ``/clang:``."""
    clang = shutil.which("clang-cl")
    if clang is None:
        raise SystemExit("fastrnn's kernels need GCC's vector types: install LLVM, so that clang-cl is in PATH")
    compiler.initialize()
    compiler.cc = clang
    compiler.compile_options = ["/nologo", "/O2", "/MD", "/DNDEBUG"]  # without /GL, which clang-cl does not know


class BuildKernels(build_ext):
    """Compile kernels.c for every ISA and element type, and link the objects into ``_kernels``."""

    def build_extensions(self) -> None:
        """Build as setuptools does; on Windows with clang-cl, since MSVC has no vector types."""
        if self.compiler.compiler_type == "msvc":
            use_clang_cl(self.compiler)
        super().build_extensions()

    def flags(self, gnu: list[str]) -> list[str]:
        """Return GCC's flags as the compiler wants them."""
        return [f"/clang:{flag}" for flag in gnu] if self.compiler.compiler_type == "msvc" else gnu

    def build_extension(self, ext: Extension) -> None:
        """Build as setuptools does, with the kernels' objects added."""
        ext.extra_compile_args = self.flags(ext.extra_compile_args)
        if ext.name == "fastrnn._kernels":
            ext.extra_objects = [*ext.extra_objects, *self.kernel_objects(ext)]
        super().build_extension(ext)

    def kernel_objects(self, ext: Extension) -> list[str]:
        """Compile the kernels and return the object files."""
        kinds = [(isa, flags, real) for isa, flags in isas().items() for real in REALS]
        with ThreadPoolExecutor(os.cpu_count()) as pool:  # the compiler is a process of its own
            parts = list(pool.map(lambda kind: self.kernel_object(ext, *kind), kinds))
        return [path for part in parts for path in part]

    def kernel_object(self, ext: Extension, isa: str, flags: list[str], real: str) -> list[str]:
        """Compile the kernels for one ISA and element type."""
        macros = [
            (f"FR_ISA_{isa.upper()}", "1"),
            (f"FR_REAL_{real.upper()}", "1"),
            ("FR_TABLE", f"fr_kernels_{isa}_{real}"),
        ]
        return self.compiler.compile(
            ["csrc/kernels.c"],
            output_dir=str(Path(self.build_temp) / f"{isa}_{real}"),
            macros=macros,
            include_dirs=ext.include_dirs,
            extra_postargs=self.flags([*OPTIMISE, *WARN, *SANITIZERS, *flags]),
            depends=ext.depends,
        )


def extensions() -> list[Extension]:
    """Return the extension modules."""
    headers = [str(path) for path in sorted(Path("csrc").rglob("*.[ch]"))]
    common = {
        "include_dirs": ["csrc"],
        "depends": headers,
        "extra_compile_args": [*OPTIMISE, *SANITIZERS],
        "extra_link_args": [] if os.name == "nt" else ["-pthread", *SANITIZERS],
    }
    have = [(f"FR_HAVE_{isa.upper()}", "1") for isa in isas() if isa != "base"]
    sources = ["src/fastrnn/_kernels.pyx", "csrc/dispatch.c", "csrc/pool.c"]
    elementwise = ["src/fastrnn/_elementwise.pyx", "csrc/fingerprint.c"]
    return [
        Extension("fastrnn._blas", ["src/fastrnn/_blas.pyx"], **common),
        Extension("fastrnn._memory", ["src/fastrnn/_memory.pyx"], **common),
        Extension("fastrnn._kernels", sources, define_macros=have, **common),
        Extension("fastrnn._rows", ["src/fastrnn/_rows.pyx"], **common),
        Extension("fastrnn._elementwise", elementwise, **common),
        Extension("fastrnn._arrays", ["src/fastrnn/_arrays.pyx"], **common),
        Extension("fastrnn._clipping", ["src/fastrnn/_clipping.pyx"], **common),
        Extension("fastrnn._optimizers", ["src/fastrnn/_optimizers.pyx"], **common),
        Extension("fastrnn._streams", ["src/fastrnn/_streams.pyx"], **common),
        Extension("fastrnn._dense", ["src/fastrnn/_dense.pyx"], **common),
        Extension("fastrnn._jordan", ["src/fastrnn/_jordan.pyx"], **common),
        Extension("fastrnn._sampling", ["src/fastrnn/_sampling.pyx"], **common),
    ]


setup(
    ext_modules=cythonize(
        extensions(),
        compiler_directives={
            "language_level": "3",
            "boundscheck": SANITIZE,
            "initializedcheck": False,
            "cdivision": True,
            "freethreading_compatible": True,
            "embedsignature": True,
        },
    ),
    cmdclass={"build_ext": BuildKernels},
)
