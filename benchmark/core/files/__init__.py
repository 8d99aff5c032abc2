"""Safe file access: only regular files of limited size are read, and files are written atomically."""

from __future__ import annotations

from gridbench.core.files.reading import (
    FACTOR,
    LARGEST_FILE,
    LARGEST_TABLE,
    LARGEST_TEXT,
    UnsafeFile,
    file_hash,
    limited,
    open_file,
    read_bytes,
    read_text,
)
from gridbench.core.files.targets import (
    check_folder,
    check_free,
    check_target,
    check_writable,
    has_files,
    image_paths,
)
from gridbench.core.files.writing import NO_ROOM, all_or_nothing, write_arrays, write_bytes

__all__ = [
    "FACTOR",
    "LARGEST_FILE",
    "LARGEST_TABLE",
    "LARGEST_TEXT",
    "NO_ROOM",
    "UnsafeFile",
    "all_or_nothing",
    "check_folder",
    "check_free",
    "check_target",
    "check_writable",
    "file_hash",
    "has_files",
    "image_paths",
    "limited",
    "open_file",
    "read_bytes",
    "read_text",
    "write_arrays",
    "write_bytes",
]
