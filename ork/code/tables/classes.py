"""The classes that a configuration of logging names: whoever reads it imports them."""

from __future__ import annotations

import re

from ork.code.tables.documents import SIZE_MAX
from ork.code.use import Code, Use

_CLASS = re.compile(
    r"""(?:\b(?:class|factory)|\(\)|\bext:/)["']?[ \t]*[:=/][ \t]*["']?([A-Za-z_]\w*(?:\.\w+)+)"""
)


def read_classes(data: bytes) -> Code:
    """Return what a configuration of logging imports."""
    text = data[:SIZE_MAX].decode("utf-8", "replace")
    return Code(tuple(dict.fromkeys(Use("imported", text=name) for name in _CLASS.findall(text))))
