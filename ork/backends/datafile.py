"""What can be known of an LMDB data file without giving it to LMDB.

LMDB maps the file and believes it: damage ends the process by a signal, which nobody can catch.
Two kinds of damage are cheap to see beforehand: a file that is no store, and one that is cut off.
The numbers are those of LMDB's data format 1: two meta pages, of which the newer one counts.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ork.errors import Corrupt, StoreError
from ork.files import open_file

_MAGIC = 0xBEEFC0DE
_FORMAT = 1
_META = 16  # where the meta record starts in its page
_META_BYTES = 136
_PAGE_BYTES = 24  # its fields: the size of a page, the last page in use, the transaction
_LAST_PAGE = 120
_TRANSACTION = 128
HINT = "restore .ork from a backup"


def is_complete(path: Path) -> bool:
    """Say whether the file is as long as its newest commit says.

    A healthy file may lack a few unused pages at its end, so False means: look closer. Raise
    Corrupt or StoreError when this is no data file of the one format that ork writes.
    """
    try:
        opened = open_file(path)
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}") from None
    with opened:
        file = opened.fileno()
        first = _meta(path, os.pread(file, _META + _META_BYTES, 0))
        page_bytes = _number(first, _PAGE_BYTES, 4)
        if not 512 <= page_bytes <= 65536 or page_bytes & (page_bytes - 1):
            raise Corrupt(f"{path} is damaged: pages of {page_bytes} bytes", hint=HINT)
        second = _meta(path, os.pread(file, _META + _META_BYTES, page_bytes))
        newest = max(first, second, key=lambda meta: _number(meta, _TRANSACTION, 8))
        length = os.fstat(file).st_size  # after the meta pages: a writer lengthens it before them
    return length >= (_number(newest, _LAST_PAGE, 8) + 1) * page_bytes


def _meta(path: Path, page: bytes) -> bytes:
    meta = page[_META:]
    if len(meta) < _META_BYTES or _number(meta, 0, 4) != _MAGIC:
        raise Corrupt(f"{path} is damaged, or not an LMDB data file", hint=HINT)
    if _number(meta, 4, 4) != _FORMAT:
        raise StoreError(
            f"{path} has LMDB data format {_number(meta, 4, 4)}; ork reads format {_FORMAT}",
            hint="another program made it; ork makes its own with `ork init`",
        )
    return meta


def _number(data: bytes, start: int, size: int) -> int:
    return int.from_bytes(data[start : start + size], sys.byteorder)
