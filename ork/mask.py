"""Secret values are replaced by `***` wherever they stand. Pure.

A value is also found in the forms in which programs write it: percent encoding, base64 (also as a
part of something longer), base32, hex, JSON, repr, HTML, quotes of shells, CSV and SQL, UTF-16. Of
a value of several lines each line is found, of one that is a number the number however written.
"""

from __future__ import annotations

import json
import re
from base64 import b32encode, b64encode
from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import lru_cache

from ork.objects.canonical import DEPTH_MAX, Json

MASK = "***"
VALUE_CHARACTERS_MIN = 4  # what is shorter stands in every text, and is not masked
LINE_CHARACTERS_MIN = 8
ENCODED_BYTES_MIN = 8  # of base64, base32 or hex; what is shorter may be chance
COLUMNS = (64, 76)  # where programs break lines of base64 and base32
_UNRESERVED = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~"
_HTML_QUOTES = (("&quot;", "&#x27;"), ("&quot;", "&#39;"), ("&#34;", "&#39;"), ("&quot;", "&apos;"))
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?", re.ASCII)
_CODE = re.compile(r"\\u([0-9a-f]{4})")
# What encoders of JSON escape beside what they must: none, Go, Gson, .NET.
_ESCAPED = ("", "&<>", "&<>='", "&<>'+`\"")
_KEPT = (b"", b"/", b"!*'()")  # what some encoders leave alone beside them


def find(text: str, data: bytes) -> list[tuple[int, int]]:
    """Return where a text stands in the data, in any of its forms: sorted, and apart."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(_forms_of((text,)).spans(data)):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return found


def longest(text: str) -> int:
    """Return how many bytes the longest form of a text has."""
    return _forms_of((text,)).longest


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
        return MASK if number and Decimal(json.dumps(value)) in self._forms.numbers else value

    def _advance(self, data: bytes, end: int) -> bytes:
        """Return the bytes up to `end`, masked, and hold those after it."""
        out, covered = self._forms.mask(data, end, self._covered)
        self._held, self._covered = data[end:], max(0, covered - end)
        return out


class _Forms:
    """The byte strings to be masked."""

    def __init__(self, forms: set[bytes], numbers: set[Decimal]) -> None:
        self.all = forms
        self.numbers = numbers
        self.longest = max(map(len, forms), default=0)
        # To look for each takes time, and few texts have what UTF-16 is full of.
        self._wide = _by_beginning({form for form in forms if b"\0" in form})
        self._plain = _by_beginning({form for form in forms if b"\0" not in form})
        self._heads = {form[:size] for form in forms for size in (1, 2)}

    def spans(self, data: bytes) -> list[tuple[int, int]]:
        """Return where the forms stand; spans may overlap."""
        wide = _spans(self._wide, data) if b"\0" in data else []
        return _spans(self._plain, data) + wide

    def open(self, data: bytes) -> int:
        """Return the first position from which all the rest may be the beginning of a form."""
        size = len(data)
        for start in range(max(0, size - self.longest + 1), size):
            if data[start : start + 2] in self._heads:
                rest = data[start:]
                if any(form.startswith(rest) and form != rest for form in self.all):
                    return start
        return size

    def mask(self, data: bytes, end: int, covered: int) -> tuple[bytes, int]:
        """Return data[:end] with masks, and up to where they reach; one already covers a part."""
        spans = self.spans(data)
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


def _by_beginning(forms: set[bytes]) -> dict[bytes, list[bytes]]:
    """Return each form that begins with no other one, and the longer forms that begin with it."""
    found: dict[bytes, list[bytes]] = {}
    first = None
    for form in sorted(forms):  # whatever begins with a form follows it
        if first is not None and form.startswith(first):
            found[first].append(form)
        else:
            first, found[form] = form, []
    return found


def _spans(forms: dict[bytes, list[bytes]], data: bytes) -> list[tuple[int, int]]:
    """Return where forms stand in the data, each up to where the longest one of these ends."""
    spans = []
    for form, longer in forms.items():
        start = data.find(form)
        while start >= 0:
            fitting = (len(one) for one in longer if data.startswith(one, start))
            spans.append((start, start + max(fitting, default=len(form))))
            start = data.find(form, start + 1)
    return spans


@lru_cache(maxsize=4)
def _forms_of(values: tuple[str, ...]) -> _Forms:
    forms: set[bytes] = set()
    numbers: set[Decimal] = set()
    for value in values:
        for part in (value, value.strip(), *_long_lines(value)):
            if len(part) >= VALUE_CHARACTERS_MIN:
                forms.update(_spellings(part))
                numbers.update(_numbers(part))
    return _Forms(forms, numbers)


def _long_lines(value: str) -> Iterator[str]:
    lines = [line.strip() for line in value.splitlines()]
    if len(lines) > 1:
        yield from (line for line in lines if len(line) >= LINE_CHARACTERS_MIN)


def _spellings(text: str) -> Iterator[bytes]:
    """Yield a text as programs write it."""
    data = text.encode("utf-8", "surrogateescape")  # as the environment had it
    yield data
    yield text.encode("utf-8", "surrogatepass")  # as `mask_text` does
    yield text.encode("utf-16-le", "surrogatepass")
    yield text.encode("utf-16-be", "surrogatepass")
    yield from _percent_encoded(data)
    yield from _encoded(data)
    for escaped in _html(text):
        yield escaped.encode("utf-8", "surrogateescape")
        yield escaped.encode("ascii", "xmlcharrefreplace")
    for quoted in (
        *_json(text),
        repr(text)[1:-1],
        ascii(text)[1:-1],
        repr(data)[2:-1],
        text.replace("'", "'\\''"),
        text.replace("'", "''"),
        text.replace('"', '""'),
        re.sub(r'(["\\$`])', r"\\\1", text),
        re.sub(r"([^\w@%+=:,./-])", r"\\\1", text),
    ):
        yield quoted.encode("utf-8", "surrogateescape")


def _numbers(text: str) -> Iterator[Decimal]:
    """Yield the number that a text is, if it is none of those that are everywhere."""
    if _NUMBER.fullmatch(text):
        number = Decimal(text)
        if len(f"{number.normalize():f}") >= VALUE_CHARACTERS_MIN:
            yield number


def _json(text: str) -> Iterator[str]:
    """Yield a text in JSON, as encoders of many languages escape it."""
    for written in {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}:
        yield written.replace("/", "\\/")  # PHP
        for letters in _ESCAPED:
            plain = written.replace('\\"', '"') if '"' in letters else written
            escaped = plain.translate({ord(one): f"\\u{ord(one):04x}" for one in letters})
            yield escaped
            yield _CODE.sub(lambda code: f"\\u{code[1].upper()}", escaped)


def _percent_encoded(data: bytes) -> Iterator[bytes]:
    for kept in _KEPT:
        for style in ("%%%02X", "%%%02x"):
            text = "".join(chr(b) if b in _UNRESERVED + kept else style % b for b in data)
            yield text.encode()
            yield text.replace("%20", "+").encode()


def _html(text: str) -> Iterator[str]:
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for double, single in (('"', "'"), ("&quot;", "'"), *_HTML_QUOTES):
        yield text.replace('"', double).replace("'", single)


def _encoded(data: bytes) -> Iterator[bytes]:
    """Yield the forms in base64, base32 and hex that are long enough to be no chance."""
    base64 = [b64encode(data), b64encode(data).rstrip(b"="), *_broken(b64encode(data))]
    for before in range(3):  # what depends on these bytes alone, wherever they begin
        begin = (8 * before + 5) // 6
        base64.append(b64encode(bytes(before) + data)[begin : 8 * (before + len(data)) // 6])
    base32 = [b32encode(data), b32encode(data).rstrip(b"="), *_broken(b32encode(data))]
    url_safe = [piece.translate(bytes.maketrans(b"+/", b"-_")) for piece in base64]
    hexadecimal = data.hex().encode()
    for form in (*base64, *url_safe, *base32, hexadecimal, hexadecimal.upper()):
        if len(form) >= ENCODED_BYTES_MIN:
            yield form


def _broken(encoded: bytes) -> Iterator[bytes]:
    for columns in COLUMNS:
        yield from (encoded[at : at + columns] for at in range(0, len(encoded), columns))
