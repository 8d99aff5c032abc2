"""What the source of a module tells without importing it: file, docstring, the line that failed (a leaf)."""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path

__all__ = ["docstring", "failing_line", "first_line", "module_file"]


def module_file(module: str) -> str | None:
    """Return the source file of a module, which may fail to import, or None."""
    loaded = getattr(sys.modules.get(module), "__file__", None)
    if loaded is not None:
        return str(loaded)
    try:
        spec = importlib.util.find_spec(module)
    except Exception:  # finding a submodule runs its package, which may raise anything
        return None
    return spec.origin if spec else None


def failing_line(error: BaseException, file: str | None) -> str:
    """Say where in `file` an exception arose, as the tail of a message; empty when it did not pass there."""
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({error.filename}, line {error.lineno})"
    trace, line = error.__traceback__, None
    while trace is not None:
        if file and Path(trace.tb_frame.f_code.co_filename) == Path(file):
            line = trace.tb_lineno
        trace = trace.tb_next
    return f" ({file}, line {line})" if line else ""


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
