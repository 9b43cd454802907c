"""Values that must not be read, replaced by `***` wherever they stand. Pure.

What is looked for are the values themselves and the ways in which programs write them: percent
encoding, base64 (also as a part of something longer), JSON, repr, shell quotes; of a value of
several lines each line, too.

The search is one pass in C whatever the number of values: a text is taken as machine words, and a
value that stands in it has all of some word for itself. Only when such a word is met are the values
it belongs to searched for.
"""

from __future__ import annotations

import json
from base64 import b64encode
from bisect import bisect_left
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
        self._covered = 0  # so many bytes of what is held are told already, by a mask

    def __repr__(self) -> str:
        """Tell nothing."""
        return "Masker(...)"

    def feed(self, data: bytes) -> bytes:
        """Take the next piece; return what is certain by now."""
        if not self._forms.longest:
            return data
        data = self._held + data
        return self._advance(data, self._forms.open(data))

    def flush(self) -> bytes:
        """Return the rest: the stream has ended. Another may begin."""
        return self._advance(self._held, len(self._held))

    def mask_text(self, text: str) -> str:
        """Return a whole text, masked."""
        return _masked_text(self._forms, text)

    def mask_json(self, value: Json) -> Json:
        """Return a value whose texts and keys are masked; a number that is a value, too."""
        return _masked_json(self._forms, value, DEPTH_MAX)

    def _advance(self, data: bytes, end: int) -> bytes:
        """Return the bytes up to `end`, masked, and hold those after it."""
        out, covered = _masked(self._forms, data, end, self._covered)
        self._held, self._covered = data[end:], max(0, covered - end)
        return out


class _Forms:
    """The byte strings to be masked, and how to find them fast."""

    def __init__(self, forms: Iterable[bytes]) -> None:
        self.sorted = sorted(forms)
        self.longest = max(map(len, self.sorted), default=0)
        self.heads = {form[:size] for form in self.sorted for size in (1, 2)}
        long = [form for form in self.sorted if len(form) >= 7]
        self.short = [form for form in self.sorted if len(form) < 7]
        # Of 15 bytes in a row 8 are an aligned word, of 7 bytes 4 are.
        self.word = 8 if all(len(form) >= 15 for form in long) else 4
        self.by_word: dict[int, list[bytes]] = {}
        for form in long:
            for offset in range(self.word):
                (word,) = _words(form[offset : offset + self.word], self.word)
                self.by_word.setdefault(word, []).append(form)
        self.words = frozenset(self.by_word)
        self.all = frozenset(self.sorted)

    def open(self, data: bytes) -> int:
        """Return the first position from which all the rest may be the beginning of a form."""
        size = len(data)
        for start in range(max(0, size - self.longest + 1), size):
            if data[start : start + 2] in self.heads:
                rest = data[start:]
                index = bisect_left(self.sorted, rest)
                if index < len(self.sorted) and self.sorted[index] == rest:
                    index += 1  # complete, but perhaps the beginning of a longer one
                if index < len(self.sorted) and self.sorted[index].startswith(rest):
                    return start
        return size

    def spans(self, data: bytes) -> list[tuple[int, int]]:
        """Return where forms stand, sorted by their beginnings."""
        likely = {form for form in self.short if form in data}
        if self.words:
            for word in self.words.intersection(_words(data, self.word)):
                likely.update(self.by_word[word])
        spans = []
        for form in likely:
            start = data.find(form)
            while start >= 0:
                spans.append((start, start + len(form)))
                start = data.find(form, start + 1)
        spans.sort()
        return spans


def _words(data: bytes, size: int) -> memoryview[int]:
    """Return the data as numbers of this size, without what is left over at the end."""
    view = memoryview(data)[: len(data) - len(data) % size]
    return view.cast("Q") if size == 8 else view.cast("I")


def _masked(forms: _Forms, data: bytes, end: int, covered: int) -> tuple[bytes, int]:
    """Return data[:end] with masks, and up to where they reach; up to `covered` one has already."""
    spans = forms.spans(data)
    if not spans and not covered:
        return data[:end], 0
    mask = MASK.encode()
    out = []
    for start, stop in spans:
        if start >= end:
            break
        if start >= covered:
            out += [data[covered:start], mask]
        covered = max(covered, stop)
    out.append(data[covered:end])
    return b"".join(out), covered


def _masked_text(forms: _Forms, text: str) -> str:
    data = text.encode("utf-8", "surrogatepass")
    out, covered = _masked(forms, data, len(data), 0)
    return out.decode("utf-8", "surrogatepass") if covered else text


def _masked_json(forms: _Forms, value: Json, depth: int) -> Json:
    if isinstance(value, str):
        return _masked_text(forms, value)
    if isinstance(value, dict):
        if depth == 0:  # such a value is refused, so whatever it becomes is not kept
            return MASK
        return {
            _masked_text(forms, key): _masked_json(forms, item, depth - 1)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_masked_json(forms, item, depth - 1) for item in value] if depth else MASK
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return MASK if number and json.dumps(value).encode() in forms.all else value


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
