"""Inspection of modules without importing them: source file, docstring and failing line (a leaf)."""

from __future__ import annotations

import ast
import dis
import importlib
import importlib.util
import sys
import traceback
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

__all__ = ["docstring", "failing_line", "first_line", "module_file", "raised_by_statement"]


def module_file(module: str) -> str | None:
    """Return the source file of a module without importing it or the package that it is in; None if unknown."""
    loaded = getattr(sys.modules.get(module), "__file__", None)
    if loaded is not None:
        return str(loaded)
    try:
        spec = _find(module)
    except (ImportError, ValueError):
        return None
    return spec.origin if spec else None


def _find(module: str) -> ModuleSpec | None:
    parent = module.rpartition(".")[0]
    if not parent or parent in sys.modules:
        return importlib.util.find_spec(module)
    package = _find(parent)
    if package is None or package.submodule_search_locations is None:
        return None
    return PathFinder.find_spec(module, package.submodule_search_locations)


def failing_line(error: BaseException, file: str | None) -> str:
    """Say where an import failed, as the tail of a message.

    Args:
        error: What was raised.
        file: The file that was imported, if it is known.

    Returns:
        The last line of that file that was run, else the last line of any file that is neither ours nor
        Python's machinery; empty when no line was reached.
    """
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({error.filename}, line {error.lineno})"
    machinery = (Path(__file__).parents[1], Path(importlib.__file__).parent)
    inside = outside = ""
    for frame in traceback.extract_tb(error.__traceback__):
        place = f" ({frame.filename}, line {frame.lineno})"
        if frame.filename == file:
            inside = place
        elif Path(frame.filename).exists() and not any(map(Path(frame.filename).is_relative_to, machinery)):
            outside = place
    return inside or outside


def raised_by_statement(error: BaseException) -> bool:
    """Tell whether a `raise` raised an error; an interruption from the keyboard comes between other instructions."""
    last = error.__traceback__
    if last is None:
        return False
    while last.tb_next is not None:
        last = last.tb_next
    return last.tb_frame.f_code.co_code[last.tb_lasti] == dis.opmap["RAISE_VARARGS"]


def docstring(module: str, attribute: str) -> str | None:
    """Read the docstring of a module, else of the class or function in it; None when it cannot be read."""
    file = module_file(module)
    if file is None or not file.endswith(".py"):
        return None
    try:
        tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return None
    nodes = [tree, *(node for node in tree.body if isinstance(node, (ast.ClassDef, ast.FunctionDef)))]
    found = (ast.get_docstring(node) for node in nodes if getattr(node, "name", attribute) == attribute)
    return next((text for text in found if text), None)


def first_line(text: str | None) -> str:
    """Return the first line of a docstring, or an empty string."""
    return text.strip().splitlines()[0] if text and text.strip() else ""
