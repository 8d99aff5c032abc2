"""Finds the values of an LMDB, checking every page and length before it is followed.

The LMDB library follows the offsets in a file wherever they lead, so that a damaged page ends the process. What is
needed here, the keys and values of the main database, are the leaves of a B+ tree.

Source: MDB_page, MDB_node, MDB_db and MDB_meta in mdb.c of LMDB 0.9 (data version 1, written on a 64-bit machine).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from gridbench.core.files import open_file

__all__ = ["Place", "read_place", "value_places"]

Place = tuple[int, int]
"""Offset and length of a value in the file."""

# A page: number, padding, flags, end of the list of nodes, start of the nodes.
_PAGE = struct.Struct("<QHHHH")
# A node: two halves of a length (with the flags: three parts of a page's number), flags, length of the key.
_NODE = struct.Struct("<HHHH")
# After a page's header: magic, version, address, size of the map, page size; 88 bytes in, the root of the main
# database, the last page and the transaction.
_META, _ROOT = struct.Struct("<IIQQI"), struct.Struct("<QQQ")
_MAGIC, _VERSION, _ROOT_AT = 0xBEEFC0DE, 1, 128
_IS_BRANCH, _IS_LEAF = 0x01, 0x02
_ELSEWHERE, _NESTED = 0x01, 0x06
_EMPTY = 2**64 - 1
# The library's own limit.
_DEEPEST = 32
# A patch of BigEarthNet has 250 KB.
_LARGEST_VALUE = 2**26
# Only pages of keys and single values are read of it.
_ANY_SIZE = 2**60


def value_places(path: Path) -> dict[bytes, Place]:
    """Return the offset of the value of each key in a file `data.mdb`.

    Raises:
        ValueError: It is not an LMDB, cut short, or a page of keys is damaged.
        OSError: It cannot be read.
    """
    with open_file(path, _ANY_SIZE) as file:
        try:
            return dict(_Pages(file).leaves())
        except struct.error as error:
            raise ValueError(f"a page is damaged ({error})") from None


def read_place(path: Path, place: Place) -> bytes:
    """Return the bytes of a value.

    Raises:
        OSError: The file cannot be read.
    """
    with open_file(path, _ANY_SIZE) as file:
        file.seek(place[0])
        return file.read(place[1])


class _Pages:
    """The pages of the newest state of the main database."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.size = file, file.seek(0, 2)
        self.page_size = self._meta(0)[0]
        if self.page_size not in (2**power for power in range(8, 17)):
            raise ValueError(f"it has pages of {self.page_size:,} bytes")
        _, self.root, last, _ = max((self._meta(0), self._meta(self.page_size)), key=lambda meta: meta[-1])
        if (last + 1) * self.page_size > self.size:
            raise ValueError(
                f"it is cut short: it has {self.size:,} bytes of {(last + 1) * self.page_size:,}"
            )

    def leaves(self) -> Iterator[tuple[bytes, Place]]:
        """Yield keys and the places of their values."""
        if self.root == _EMPTY:
            return
        todo, seen = [(self.root, 1)], set()
        while todo:
            number, depth = todo.pop()
            if number in seen or depth > _DEEPEST:
                raise ValueError(f"its page {number} is reached twice")
            seen.add(number)
            page = self._read(number * self.page_size, self.page_size)
            _, _, flags, end, _ = _PAGE.unpack_from(page)
            if flags & (_IS_BRANCH | _IS_LEAF) not in (_IS_BRANCH, _IS_LEAF) or not _PAGE.size <= end <= len(
                page
            ):
                raise ValueError(f"its page {number} is none of keys")
            nodes = struct.unpack_from(f"<{(end - _PAGE.size) // 2}H", page, _PAGE.size)
            if flags & _IS_BRANCH:
                todo += [(self._child(page, node), depth + 1) for node in reversed(nodes)]
            else:
                yield from (self._value(page, number, node) for node in nodes)

    def _child(self, page: bytes, node: int) -> int:
        low, middle, high, _ = _NODE.unpack_from(page, node)
        return int(low | middle << 16 | high << 32)

    def _value(self, page: bytes, number: int, node: int) -> tuple[bytes, Place]:
        low, high, flags, key_length = _NODE.unpack_from(page, node)
        start, length = node + _NODE.size, low | high << 16
        at = start + key_length
        if flags & _NESTED:
            raise ValueError("it holds databases in databases")
        if flags & _ELSEWHERE:
            (overflow,) = struct.unpack_from("<Q", page, at)
            offset = overflow * self.page_size + _PAGE.size
        else:
            offset = number * self.page_size + at
            if at + length > len(page):
                raise ValueError(f"its page {number} is damaged")
        if length > _LARGEST_VALUE or offset + length > self.size:
            raise ValueError(f"a value of {length:,} bytes at {offset:,} does not lie in it")
        return page[start:at], (offset, length)

    def _meta(self, at: int) -> tuple[int, int, int, int]:
        content = self._read(at, _ROOT_AT + _ROOT.size)
        magic, version, _, _, page_size = _META.unpack_from(content, _PAGE.size)
        if (magic, version) != (_MAGIC, _VERSION):
            raise ValueError("it is not an LMDB of data version 1, written on a 64-bit machine")
        return (page_size, *_ROOT.unpack_from(content, _ROOT_AT))

    def _read(self, offset: int, length: int) -> bytes:
        if offset + length > self.size:
            raise ValueError(f"it is cut short: byte {offset + length:,} of {self.size:,} is referred to")
        self.file.seek(offset)
        return self.file.read(length)
