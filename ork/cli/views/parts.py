"""Parts of lines that several views share."""

from __future__ import annotations

import json
from collections.abc import Iterable

CLIP_MIN = 16  # narrower than this nothing is shortened
PAD_MAX = 32  # longer names push the rest of their line to the right


def quoted(name: str) -> str:
    """Return a name as it is, or as a JSON string if it holds what is not seen, such as a tab."""
    return name if name.isprintable() else json.dumps(name)


def clip(text: str, room: int | None) -> str:
    """Return the text, its middle left out where it is longer than the room; None is no limit."""
    if room is None or len(text) <= max(room, CLIP_MIN):
        return text
    keep = max(room, CLIP_MIN) - 3
    return f"{text[: keep - keep // 3]}...{text[len(text) - keep // 3 :]}"


def column(names: Iterable[str]) -> int:
    """Return how wide a column of these names is, but for those that are too long."""
    return max((len(name) for name in names if len(name) <= PAD_MAX), default=0)
