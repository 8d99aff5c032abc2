from __future__ import annotations

import contextlib
import errno
import gc
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings as hypothesis_settings

from gridbench.datasets.archive.layout import GroupLayout, Layout, Sample
from gridbench.datasets.archive.writer import ArchiveWriter, build_once

# How long an example takes depends on what else the machine does.
hypothesis_settings.register_profile("gridbench", deadline=None)
hypothesis_settings.load_profile("gridbench")

# A shell that starts the tests in the background has them ignore Ctrl-C, and what they start would, too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# So that a run that is interrupted after any epoch has a checkpoint of it, in the processes that tests start, too.
os.environ["GRIDBENCH_CHECKPOINT_SECONDS"] = "0"

# pytest-xdist gives its workers a terminal of 80 columns; without one, what goes to a file is not wrapped.
os.environ.pop("COLUMNS", None)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Collect no garbage meanwhile, nor look at what has been loaded ever after: a third of the time went there."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


def pytest_unconfigure() -> None:
    """Let Python find at its end what is loaded, which extension modules would report as leaked."""
    gc.unfreeze()


CLASSES = 5
COUNT = 96
SIDE = 16


@dataclass
class Started:
    """A process that `Warm` started.

    Attributes:
        pid: Its process id.
        returncode: How it ended; minus a signal's number if it was killed; None until it is waited for.
        writes: How often it wrote; None if it was killed.
    """

    pid: int
    _warm: Warm
    _folder: Path
    returncode: int | None = None
    writes: int | None = None

    def wait(self) -> Started:
        """Wait for its end."""
        self.returncode = self._warm.ask(wait=self.pid)
        writes = self._folder / "writes"
        self.writes = int(writes.read_text()) if writes.exists() else None
        return self

    @property
    def stdout(self) -> str:
        """What it has printed so far."""
        return (self._folder / "out").read_text()

    @property
    def stderr(self) -> str:
        """What it has said so far."""
        return (self._folder / "err").read_text()


class Warm:
    """Starts the command line, or scripts, as processes of their own which have torch loaded from the first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with (folder / "messages").open("w") as messages:
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(Path(__file__).with_name("warm.py"))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=messages,
                text=True,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )

    def ask(self, **order: Any) -> int:
        """Give an order to tests/warm.py; return the number that it answers."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, (self._folder / "messages").read_text()
        return int(answer)

    def start(
        self,
        *words: object,
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
        at: int | None = None,
        **what: Any,
    ) -> Started:
        """Start `gridbench WORDS`; `script` names a file to run instead, and `lines` has the words of several commands.

        Args:
            words: The words of the command line.
            folder: Where it runs; a new folder if it is None.
            environment: Added to this process's environment.
            at: It is killed before its write of this number.
        """
        own = Path(tempfile.mkdtemp(dir=self._folder))
        order = {
            "folder": str(folder or own),
            "environment": {**os.environ, **(environment or {})},
            "at": at,
            **{name: str(own / name) for name in ("out", "err", "writes")},
            **(what or {"lines": [[str(word) for word in words]]}),
        }
        return Started(self.ask(**order), self, own)

    def __call__(self, *words: object, **how: Any) -> Started:
        """Start a process, as `start` does, and wait for its end."""
        return self.start(*words, **how).wait()

    def close(self) -> None:
        """End the process from which the others are forked."""
        self._process.communicate()


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warm]:
    """What starts processes that have torch loaded; loading it takes longer than most runs of the tests."""
    started = Warm(tmp_path_factory.mktemp("warm"))
    yield started
    started.close()


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with one prepared archive, `stripes`: each class paints its own rows, so that labels can be learnt."""
    folder = tmp_path_factory.mktemp("cache")
    rng = np.random.default_rng(0)
    layout = Layout(
        (GroupLayout("rgb", ("r", "g", "b"), SIDE, SIDE, "uint8"),),
        tuple(f"class {c}" for c in range(CLASSES)),
        (SIDE, SIDE),
        False,
    )
    names = [f"image{i:03d}" for i in range(COUNT)]
    split = ["train" if i % 4 < 2 else "val" if i % 4 == 2 else "test" for i in range(COUNT)]

    def build(target: Path) -> None:
        writer = ArchiveWriter(target, layout, names, split)
        for i in range(COUNT):
            labels = np.zeros(CLASSES, dtype=np.uint8)
            labels[rng.choice(CLASSES, rng.integers(1, 4), replace=False)] = 1
            image = rng.integers(0, 60, (3, SIDE, SIDE))
            label_map = np.full((SIDE, SIDE), 255)
            for c in np.flatnonzero(labels):
                image[c % 3, 3 * c : 3 * c + 3] += 150
                label_map[3 * c : 3 * c + 3] = c
            writer.write(i, Sample((image.astype(np.uint8),), labels, label_map, None))
        writer.finish("stripes", "folder", {"failed": []})

    build_once(folder / "archives" / "stripes", build)
    return folder


@pytest.fixture
def settings() -> dict[str, object]:
    """Settings of a run that takes a fraction of a second."""
    return {
        "dataset": "stripes",
        "backbone": "test_resnet",
        "epochs": 3,
        "batch_size": 16,
        "train_size": 0,
        "k": 5,
        "crop": 0,
        "learning_rate": 1e-3,
    }


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Path]]:
    """Where `finished` keeps its runs, and which it has."""
    return tmp_path_factory.mktemp("shelf"), {}


@pytest.fixture
def finished(
    shelf: tuple[Path, dict[str, Path]], cache: Path, settings: dict[str, object], tmp_path: Path
) -> Callable[..., Any]:
    """Give a test its own copy of a finished run in `tmp_path`; what several tests start from is trained once.

    To be asked before a test changes anything that a run computes.
    """

    def of(runs: str = "runs", **values: object) -> Any:
        from gridbench.config import make_config
        from gridbench.plan import make_plan
        from gridbench.records.record import read_record
        from gridbench.records.runner import Execution, run

        config = make_config({**settings, **values})
        folder, known = shelf
        key = make_plan(config, cache).id
        if key not in known:
            known[key] = run(config, Execution(runs=folder, cache=cache, device="cpu", threads=1)).folder
        return read_record(shutil.copytree(known[key], tmp_path / runs / known[key].name))

    return of


@pytest.fixture
def documented(tmp_path: Path) -> Callable[[str, str], Path]:
    """Write a plug-in that a page of the documentation shows to a file of the name that it has there."""

    def write(page: str, name: str) -> Path:
        text = (Path(__file__).parents[1] / "docs" / page).read_text(encoding="utf-8")
        (block,) = re.findall(rf"^```python\n(# {re.escape(name)}\n.*?)^```$", text, re.MULTILINE | re.DOTALL)
        path = tmp_path / name
        path.write_text(block, encoding="utf-8")
        return path

    return write


@pytest.fixture
def registries() -> Iterator[None]:
    """Forget afterwards what a test registers."""
    from gridbench.registry import snapshot

    with snapshot():
        yield


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A real browser; where the machine has none, tests of pages are skipped, since no package index carries one."""
    from playwright.sync_api import sync_playwright

    program = (
        os.environ.get("GRIDBENCH_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    )
    if program is None:
        pytest.skip("needs chromium, or GRIDBENCH_CHROMIUM naming one")
    with sync_playwright() as started:
        one = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield one
        one.close()


@pytest.fixture
def open_page(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Open a page's text; afterwards nothing may have been asked of the network or said on the console."""
    opened = []

    def show(
        text: str, title: str, wait_for: str, width: int = 1200, height: int = 900, scheme: str = "light"
    ) -> Any:
        file = tmp_path / "page.html"
        file.write_text(text, encoding="utf-8")
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, accept_downloads=True
        )
        page = context.new_page()
        trouble: list[str] = []
        requests: list[str] = []
        page.on("console", lambda message: trouble.append(message.text))
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(file.as_uri())
        page.wait_for_selector(wait_for)
        opened.append((context, page, title, trouble, requests, file.as_uri()))
        return page

    yield show
    for context, page, title, trouble, requests, address in opened:
        assert trouble == []
        assert {url for url in requests if not url.startswith(("data:", "blob:"))} == {address}
        assert page.title() == title
        context.close()


@pytest.fixture
def samples() -> Path:
    """The folder of real samples, which are not part of this repository: GRIDBENCH_SAMPLES names it."""
    folder = os.environ.get("GRIDBENCH_SAMPLES")
    if not folder:
        pytest.skip("GRIDBENCH_SAMPLES does not name the folder of real samples")
    return Path(folder)


@pytest.fixture
def golden_maps():
    """Logits M(k) (2, 3, 4, 4), as a function of k, and labels (2, 4, 4) of which golden values were taken."""
    import torch

    b, c, i, j = np.meshgrid(*map(np.arange, (2, 3, 4, 4)), indexing="ij")
    phase = 1.3 * b + 2.1 * c + 0.7 * i + 0.4 * j + 0.3 * c * i
    b, i, j = np.meshgrid(*map(np.arange, (2, 4, 4)), indexing="ij")
    labels = (i // 2 + 2 * (j // 2) + b) % 3
    labels[0, 0, 0] = labels[1, 3, 3] = 255
    return lambda k=0.0: torch.from_numpy(np.round(2 * np.sin(phase + k), 2)), torch.from_numpy(labels)


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], contextlib.AbstractContextManager[None]]:
    """Return a context in which some files more can be flushed to the disk; then it is full, without a name."""

    @contextlib.contextmanager
    def full_after(count: int) -> Iterator[None]:
        flush, left = os.fsync, itertools.count(count, -1)

        def flushed(handle: int) -> None:
            if next(left) <= 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            flush(handle)

        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", flushed)
            yield

    return full_after
