"""Secret values are replaced by `***` wherever they stand. Pure.

A value is also found in the forms in which programs write it: percent encoding, base64 (even as a
part of something longer), JSON, repr, shell quotes. Of a value of several lines each line is found.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Iterator
from functools import lru_cache

from ork.objects.canonical import DEPTH_MAX, Json

MASK = "***"
VALUE_CHARACTERS_MIN = 4  # what is shorter stands in every text, and is not masked
LINE_CHARACTERS_MIN = 8
ENCODED_BYTES_MIN = 8  # of a base64 form; a shorter one may be chance
BASE64_COLUMNS = (64, 76)  # where programs break lines of base64
_UNRESERVED = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~"
_KEPT = (b"", b"/", b"!*'()")  # what some encoders leave alone beside them


class Masker:
    """Masks a stream that comes in pieces; also texts and JSON values, which are whole.

    Wherever the stream is cut, the result is the same. Values that overlap in the stream are one
    `***`. Nothing is held back but the last bytes, while they may be the beginning of a value.
    """

    __slots__ = ("_covered", "_forms", "_held")

    def __init__(self, values: Iterable[str]) -> None:
        self._forms = _forms_of(tuple(values))
        self._held = b""
        self._covered = 0  # this many of the held bytes are told already, by a mask

    def __repr__(self) -> str:
        """Tell nothing."""
        return "Masker(...)"

    def feed(self, data: bytes) -> bytes:
        """Take the next piece; return what is certain by now."""
        data = self._held + data
        return self._advance(data, self._forms.open(data))

    def flush(self) -> bytes:
        """Return the rest: the stream has ended. Another may begin."""
        return self._advance(self._held, len(self._held))

    def mask_text(self, text: str) -> str:
        """Return a whole text, masked."""
        data = text.encode("utf-8", "surrogatepass")
        out, covered = self._forms.mask(data, len(data), 0)
        return out.decode("utf-8", "surrogatepass") if covered else text

    def mask_json(self, value: Json, depth: int = DEPTH_MAX) -> Json:
        """Return a value whose texts and keys are masked; a number that is a value, too."""
        if isinstance(value, str):
            return self.mask_text(value)
        if isinstance(value, dict | list) and depth == 0:
            return MASK  # such a value is refused, so whatever it becomes is not kept
        if isinstance(value, dict):
            items = value.items()
            return {self.mask_text(key): self.mask_json(item, depth - 1) for key, item in items}
        if isinstance(value, list):
            return [self.mask_json(item, depth - 1) for item in value]
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return MASK if number and json.dumps(value).encode() in self._forms.all else value

    def _advance(self, data: bytes, end: int) -> bytes:
        """Return the bytes up to `end`, masked, and hold those after it."""
        out, covered = self._forms.mask(data, end, self._covered)
        self._held, self._covered = data[end:], max(0, covered - end)
        return out


class _Forms:
    """The byte strings to be masked."""

    def __init__(self, forms: set[bytes]) -> None:
        self.all = forms
        self._longest = max(map(len, forms), default=0)
        self._heads = {form[:size] for form in forms for size in (1, 2)}

    def open(self, data: bytes) -> int:
        """Return the first position from which all the rest may be the beginning of a form."""
        size = len(data)
        for start in range(max(0, size - self._longest + 1), size):
            if data[start : start + 2] in self._heads:
                rest = data[start:]
                if any(form.startswith(rest) and form != rest for form in self.all):
                    return start
        return size

    def mask(self, data: bytes, end: int, covered: int) -> tuple[bytes, int]:
        """Return data[:end] with masks, and up to where they reach; one already covers a part."""
        spans = [span for form in self.all for span in _spans(form, data)]
        if not spans and not covered:
            return data[:end], 0
        out = []
        for start, stop in sorted(spans):
            if start >= end:
                break
            if start >= covered:
                out += [data[covered:start], MASK.encode()]
            covered = max(covered, stop)
        out.append(data[covered:end])
        return b"".join(out), covered


def _spans(form: bytes, data: bytes) -> Iterator[tuple[int, int]]:
    """Yield where the form stands in the data."""
    start = data.find(form)
    while start >= 0:
        yield start, start + len(form)
        start = data.find(form, start + 1)


@lru_cache(maxsize=4)
def _forms_of(values: tuple[str, ...]) -> _Forms:
    forms: set[bytes] = set()
    for value in values:
        for part in (value, value.strip(), *_long_lines(value)):
            if len(part) >= VALUE_CHARACTERS_MIN:
                forms.update(_spellings(part))
    return _Forms(forms)


def _long_lines(value: str) -> Iterator[str]:
    lines = [line.strip() for line in value.splitlines()]
    if len(lines) > 1:
        yield from (line for line in lines if len(line) >= LINE_CHARACTERS_MIN)


def _spellings(text: str) -> Iterator[bytes]:
    """Yield a text as programs write it."""
    data = text.encode("utf-8", "surrogateescape")  # as the environment had it
    yield data
    yield text.encode("utf-8", "surrogatepass")  # as `mask_text` does
    yield from _percent_encoded(data)
    yield from _base64(data)
    for quoted in (
        json.dumps(text)[1:-1],
        json.dumps(text, ensure_ascii=False)[1:-1],
        repr(text)[1:-1],
        ascii(text)[1:-1],
        repr(data)[2:-1],
        text.replace("'", "'\\''"),
    ):
        yield quoted.encode("utf-8", "surrogateescape")


def _percent_encoded(data: bytes) -> Iterator[bytes]:
    for kept in _KEPT:
        for style in ("%%%02X", "%%%02x"):
            text = "".join(chr(b) if b in _UNRESERVED + kept else style % b for b in data)
            yield text.encode()
            yield text.replace("%20", "+").encode()


def _base64(data: bytes) -> Iterator[bytes]:
    """Yield what of base64 depends on these bytes alone, wherever they begin in what is encoded."""
    pieces = [b64encode(data), b64encode(data).rstrip(b"=")]
    for before in range(3):
        encoded = b64encode(bytes(before) + data)
        begin = (8 * before + 5) // 6
        pieces.append(encoded[begin : 8 * (before + len(data)) // 6])
    for columns in BASE64_COLUMNS:
        pieces += [pieces[0][at : at + columns] for at in range(0, len(pieces[0]), columns)]
    for piece in pieces:
        if len(piece) >= ENCODED_BYTES_MIN:
            yield piece
            yield piece.translate(bytes.maketrans(b"+/", b"-_"))
