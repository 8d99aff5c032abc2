"""Plug-ins: files that register components when they are imported, and the hash of their source for run identities."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any, NoReturn

from gridbench.core.files import read_bytes
from gridbench.core.json_files import LARGEST_JSON
from gridbench.core.source import failing_line, raised_by_statement
from gridbench.errors import GridbenchError, InputError, RunFailed, in_words, reason_of
from gridbench.registry import PLUGIN_SOURCES, REGISTRIES

__all__ = [
    "failure_of_a_run",
    "is_interrupt",
    "load_plugin",
    "loaded_plugins",
    "plugin_fault",
    "registered_from",
    "source_digest",
]

_PREFIX = "gridbench_plugin_"
# Identified by their versions, not by their source.
_PLATFORM = {"gridbench", "torch", *sys.stdlib_module_names}


class _SourceLoader(SourceFileLoader):
    """Compiles the file as it is: byte code kept from an earlier second may be of another source."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        content = self.get_data(path)
        PLUGIN_SOURCES[Path(path)] = hashlib.sha256(content).hexdigest()
        code: CodeType = self.source_to_code(content, path)
        return code


def load_plugin(path: Path) -> list[tuple[str, str]]:
    """Import a file, which registers its components through the decorators.

    Loading a file again does nothing unless its source has changed.

    Args:
        path: A Python file; its name is the default name of what it registers.

    Returns:
        (kind, name) of everything that the file registers.

    Raises:
        InputError: There is no such file, it fails (the message names the line), or it registers nothing.
    """
    path = Path(path)
    if path.suffix != ".py" or not path.is_file():
        found = "is not a Python file" if path.exists() else "does not exist"
        raise InputError(f"The plug-in {str(path)!r} {found}; give one, such as path/to/my_method.py.")
    file = path.resolve()
    try:
        read_bytes(file, LARGEST_JSON)
    except OSError as error:
        raise InputError(f"The plug-in {str(path)!r} cannot be read: {reason_of(error, file)}") from None
    if not _is_loaded(file):
        _execute(file, path)
    components = registered_from(file)
    if not components:
        raise InputError(
            f"The plug-in {str(path)!r} registers nothing. Put @gridbench.register_method() above its class."
        )
    return components


def loaded_plugins() -> list[Path]:
    """Return the files that have been loaded, so that another process can load the same ones."""
    return list(PLUGIN_SOURCES)


def registered_from(file: Path) -> list[tuple[str, str]]:
    """Return (kind, name) of every component that a file registered."""
    return [
        (registry.kind, name)
        for registry in REGISTRIES
        for name in registry
        if registry.origin(name) == str(file)
    ]


def plugin_fault(error: BaseException) -> str:
    """Return the line of a plug-in that raised an error, with the error; empty if no plug-in was involved."""
    if isinstance(error, KeyboardInterrupt) and not raised_by_statement(error):
        return ""
    files = set(map(str, PLUGIN_SOURCES))
    files |= {str(registry.origin(name)) for registry in REGISTRIES for name in registry}
    packages = set().union(*(registry.packages() for registry in REGISTRIES)) - _PLATFORM
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        file = frame.f_code.co_filename
        package = str(frame.f_globals.get("__name__")).partition(".")[0]
        if file in files or package in packages:
            return f"The plug-in {file!r} failed in line {line} ({frame.f_code.co_name}): {in_words(error)}"
    return ""


def is_interrupt(error: BaseException) -> bool:
    """Tell whether an error is Ctrl-C, and not a KeyboardInterrupt that a plug-in raises itself."""
    return isinstance(error, KeyboardInterrupt) and not plugin_fault(error)


@contextmanager
def failure_of_a_run() -> Iterator[None]:
    """Report what a plug-in raises while a run is built as a failure of that run, with the line that raised it.

    Raises:
        RunFailed: A plug-in failed, or something ended the process as sys.exit does.
    """
    try:
        yield
    except GridbenchError:
        raise
    except BaseException as error:
        fault = plugin_fault(error)
        if isinstance(error, Exception | KeyboardInterrupt) and not fault:
            raise
        raise RunFailed(f"The run failed before it began. {fault or in_words(error)}") from error


def source_digest(components: Iterable[Any]) -> str | None:
    """Hash the source of the components that did not come with gridbench.

    A component of an installed package stands for all Python files of that package, as it may use any of them.

    Args:
        components: What a run uses; None entries are passed over.

    Returns:
        sha256 in hex, or None when all came with gridbench.

    Raises:
        InputError: A component's source cannot be read.
    """
    modules = {name for each in components if each is not None for name in _modules(each)}
    digests = sorted({_digest_of(name) for name in modules if name.partition(".")[0] not in _PLATFORM})
    return hashlib.sha256("".join(digests).encode()).hexdigest() if digests else None


def _is_loaded(file: Path) -> bool:
    try:
        return PLUGIN_SOURCES.get(file) == hashlib.sha256(read_bytes(file, LARGEST_JSON)).hexdigest()
    except OSError:
        return False


def _execute(file: Path, shown: Path) -> None:
    # The last part is the file's own name, which the decorators register under.
    name = f"{_PREFIX}{hashlib.sha256(str(file).encode()).hexdigest()[:12]}.{file.stem}"
    loader = _SourceLoader(name, str(file))
    spec = importlib.util.spec_from_loader(name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    before = sys.modules.get(name)
    _guard_exit()
    # Dataclasses and the registry look a class's module up while the class is being made.
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except BaseException as error:
        if is_interrupt(error):
            raise
        PLUGIN_SOURCES.pop(file, None)
        sys.modules.pop(name, None)
        if before is not None:
            sys.modules[name] = before
        where = failing_line(error, str(file))
        raise InputError(f"The plug-in {str(shown)!r} cannot be loaded: {in_words(error)}{where}") from error


def _guard_exit() -> None:
    """Let `os._exit` and `os.exec...` in this process raise, so that a plug-in cannot end a run as if it were done."""
    real, process = os._exit, os.getpid()
    if hasattr(real, "guards"):
        return

    def leave(status: int) -> NoReturn:
        # Called last by processes that multiprocessing started.
        ending = str(sys._getframe(1).f_globals.get("__name__")).startswith("multiprocessing.")
        if os.getpid() != process or ending:
            real(status)
        raise SystemExit(f"os._exit({status}) was called: the plug-in ended the process")

    leave.guards = real  # type: ignore[attr-defined]
    # The same function by the name of the module that it comes from: posix, or nt.
    vars(os)["_exit"] = vars(sys.modules[os.name])["_exit"] = leave
    # All variants of os.exec end in one of these.
    for name in ("execv", "execve"):
        replaced = functools.partial(_exec, getattr(os, name), process)
        vars(os)[name] = vars(sys.modules[os.name])[name] = replaced


def _exec(real: Callable[..., NoReturn], process: int, *words: Any) -> NoReturn:
    """Refuse to replace this process by another program; a process that was forked from it may be."""
    if os.getpid() != process:
        real(*words)
    raise SystemExit("os.exec was called: the plug-in ended the process")


def _modules(component: Any) -> set[str]:
    """Name the modules of a component's class and of all that it extends."""
    owner = component if isinstance(component, type) else type(component)
    return {each.__module__ for each in owner.__mro__}


def _digest_of(module_name: str) -> str:
    """Hash a module's source, or that of the package that it is in."""
    file = getattr(sys.modules.get(module_name), "__file__", None)
    if file is None:
        raise InputError(
            f"The source of {module_name!r} cannot be found, so its runs could not be told apart after an edit. "
            "Put it into a file and load that with --plugin."
        )
    return PLUGIN_SOURCES.get(Path(file)) or _digest_of_files(module_name, Path(file))


# Cached for the process: imported code keeps running even if its files change.
@functools.cache
def _digest_of_files(module_name: str, file: Path) -> str:
    package = sys.modules.get(module_name.partition(".")[0])
    whole = hasattr(package, "__path__") and getattr(package, "__file__", None)
    root = Path(str(whole)).parent if whole else file.parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")) if whole else [file]:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()
