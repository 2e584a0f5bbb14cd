"""Check what a release would publish: sizes, contents, and one version, which is that of the tag if there is one.

``python tools/check_wheels.py DIRECTORY``, where wheels and sdist are.
"""

import os
import sys
import tarfile
from pathlib import Path
from zipfile import ZipFile

MOST_BYTES = 3_000_000  # a wheel
SOURCES = (".c", ".h", ".pyx", ".pxd")  # an sdist has them, a wheel does not
NEEDED = ("pyproject.toml", "setup.py", "csrc/kernels.c", "csrc/cpu.h", "src/fastrnn/_kernels.pyx", "tests/conftest.py")


def wheel_faults(path: Path) -> list[str]:
    """Return what is wrong with a wheel."""
    with ZipFile(path) as wheel:
        names = wheel.namelist()
    faults = [f"{name} does not belong into a wheel" for name in names if name.endswith(SOURCES)]
    if path.stat().st_size > MOST_BYTES:
        faults.append(f"expected at most {MOST_BYTES:,} bytes, got {path.stat().st_size:,}")
    if "fastrnn/py.typed" not in names or not any(name.startswith("fastrnn/_kernels.") for name in names):
        faults.append("expected fastrnn/py.typed and the extensions")
    if "-linux_" in path.name:
        faults.append("expected a manylinux or musllinux tag: auditwheel has not repaired it")
    return faults


def sdist_faults(path: Path) -> list[str]:
    """Return what is wrong with an sdist."""
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    return [f"expected {name} in it" for name in NEEDED if name not in names]


def main(directory: str) -> int:
    """Print what is wrong with the files of a directory; return 1 if anything is."""
    wheels, sdists = sorted(Path(directory).glob("*.whl")), sorted(Path(directory).glob("*.tar.gz"))
    faults = [f"{path.name}: {fault}" for path in wheels for fault in wheel_faults(path)]
    faults += [f"{path.name}: {fault}" for path in sdists for fault in sdist_faults(path)]
    versions = {path.name.split("-")[1].removesuffix(".tar.gz") for path in (*wheels, *sdists)}
    tag = os.environ.get("GITHUB_REF", "").removeprefix("refs/tags/v")
    if not wheels or len(sdists) != 1:
        faults.append(f"expected wheels and one sdist, got {len(wheels)} and {len(sdists)}")
    if len(versions) > 1 or ("/" not in tag and tag and versions != {tag}):
        faults.append(f"expected one version, the tag's, got {', '.join(sorted(versions))} for {tag or 'no tag'}")
    print("\n".join(faults) or f"{len(wheels)} wheels and the sdist are as they should be")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
