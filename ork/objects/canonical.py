"""One value, one byte string, one name.

JSON values are encoded by RFC 8785 (JSON Canonicalization Scheme) over a strict domain: string
keys, no lone surrogates, integers within 2^53-1, finite floats, at most 64 levels. An object is
framed with its kind, and its name is the BLAKE3-256 hash of the framed bytes (docs/format.md). On
its way to a backend, and there, it is packed.
"""

from __future__ import annotations

import json
import math
import re
import zlib
from contextlib import suppress
from typing import NewType, TypeAlias

import msgspec
from blake3 import blake3

from ork.errors import Corrupt, InvalidInput

Oid = NewType("Oid", str)  # 64 lower-case hex digits
Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

INTEGER_MAX = 2**53 - 1
AS_TEXT = "only a text, of type `str`, keeps them"  # the digits of a larger one
DEPTH_MAX = 64
HEADER = b"ork1 "
PLAIN, ZLIB = b"\0", b"\1"  # the flag before each object that a backend keeps: what follows
# Smaller ones, deploys above all, are read one by one by every log: unpacking costs 3 us each.
PACK_BYTES_MIN = 1024
PACK_BYTES_MAX = 64 << 20  # plain: a small stream must not fill the memory
PACKED_PART_MAX = 0.75


def hash_bytes(data: bytes | memoryview) -> Oid:
    """Return the name of these stored bytes."""
    return blake3(data).digest().hex()  # type: ignore[return-value]  # quicker than hexdigest()


def digest(data: bytes) -> bytes:
    """Return the 32 bytes of the same name."""
    return blake3(data).digest()


def running_hash() -> blake3:
    """Return what hashes bytes that come in pieces: `update` with each, at last `digest`."""
    return blake3()


def frame(kind: str, payload: bytes) -> bytes:
    """Return the stored bytes of an object: the header line, then the payload."""
    return f"ork1 {kind}\n".encode("ascii") + payload


def unframe(data: bytes) -> tuple[str, bytes]:
    """Return kind and payload of stored bytes; raise Corrupt when there is no header."""
    end = data.find(b"\n", 0, 32)
    if end < 0 or not data.startswith(HEADER):
        later = data[:3] == HEADER[:3] and data[3:4].isdigit() and data[:5] != HEADER
        hint = "it needs a newer ork" if later else None
        raise Corrupt("not an ork object: the header `ork1 KIND` is missing", hint=hint)
    return data[len(HEADER) : end].decode("ascii", "replace"), data[end + 1 :]


def pack(data: bytes) -> bytes:
    """Return the bytes of an object as a backend keeps them: compressed where that pays."""
    if PACK_BYTES_MIN <= len(data) <= PACK_BYTES_MAX:
        stream = zlib.compress(data, 1)
        if len(stream) <= PACKED_PART_MAX * len(data):
            return ZLIB + stream
    return PLAIN + data


def unpack(oid: Oid, stored: bytes) -> bytes:
    """Return the bytes of an object as `pack` was given them; raise Corrupt when that fails."""
    flag = stored[:1]
    if flag == PLAIN:
        return stored[1:]
    if flag != ZLIB:
        raise Corrupt(
            f"object {oid} is damaged: nothing known is stored under it",
            hint="or it is whole, and needs a newer ork",
        )
    stream = zlib.decompressobj()
    try:
        data = stream.decompress(stored[1:], PACK_BYTES_MAX + 1)
    except zlib.error as error:
        raise Corrupt(f"object {oid} is damaged: it cannot be unpacked ({error})") from None
    if len(data) > PACK_BYTES_MAX:
        raise Corrupt(f"object {oid} is damaged: it unpacks to more than {PACK_BYTES_MAX} bytes")
    if not stream.eof or stream.unused_data:
        raise Corrupt(f"object {oid} is damaged: it is cut short, or something follows it")
    return data


def unpacked(oid: Oid, stored: bytes) -> memoryview:
    """Return the same, and copy nothing of what is not compressed: large objects are not."""
    plain = stored[:1] == PLAIN
    return memoryview(stored)[1:] if plain else memoryview(unpack(oid, stored))


def is_whole(oid: Oid, stored: bytes) -> bool:
    """Say whether what a backend keeps is the object of this name; raise Corrupt as `unpack`."""
    return hash_bytes(unpacked(oid, stored)) == oid


def is_proven(oid: Oid, stored: bytes) -> bool:
    """Say whether what a backend keeps is the object of this name, and can be unpacked at all."""
    try:
        return is_whole(oid, stored)
    except Corrupt:
        return False


def begins_with(stored: bytes, begins: tuple[bytes, ...]) -> bool:
    """Say whether the object that a backend keeps so begins with one of these; unpack no more."""
    if stored[:1] != ZLIB:
        return stored[:1] == PLAIN and stored.startswith(begins, 1)
    try:
        data = zlib.decompressobj().decompress(stored[1:], max(map(len, begins)))
    except zlib.error:
        return False
    return data.startswith(begins)


def encode(value: Json, what: str | None = None) -> bytes:
    """Return the RFC 8785 bytes of a value; raise InvalidInput, with the place, outside it.

    `what` is the value called in what is said of a place in it.
    """
    try:
        return _PLAIN(value if is_plain(value, 1) else _plain(value, 1))
    except ValueError:
        pass  # what only we can write, or nobody, as a lone surrogate: where?
    _check(value, 1, (what,) if what else ())
    pieces: list[str] = []
    _write(value, pieces)
    return "".join(pieces).encode("utf-8")


def same(old: Json, new: Json) -> bool:
    """Say whether two values are one in JSON, where true is not 1."""
    if old != new:
        return False
    if isinstance(old, dict | list):
        # Those equal to Python are written alike but for true and 1, and for 1.0 and 1.
        return _PLAIN(old) == _PLAIN(new) or encode(old) == encode(new)
    return isinstance(old, bool) == isinstance(new, bool)


def settled(value: Json) -> Json:
    """Return a value as its record gives it back: keys are sorted, whole floats are integers."""
    return read(encode(value))


def read(payload: bytes) -> Json:
    """Return the value of bytes that `encode` has made."""
    return _DECODER.decode(payload.decode("utf-8"))  # type: ignore[no-any-return]


def decode(payload: bytes) -> Json:
    """Return the value of canonical bytes; raise Corrupt when they are not exactly canonical."""
    with suppress(ValueError, RecursionError, InvalidInput):
        value = parse(payload)
        if encode(value) == payload:  # else it may only be a number that is not read so quickly
            return value
    try:
        value = _DECODER.decode(payload.decode("utf-8"))
        again = encode(value)
    except (ValueError, RecursionError, InvalidInput) as error:
        raise Corrupt(f"not canonical JSON: {error}") from None
    if again != payload:
        raise Corrupt("not canonical JSON: the bytes differ from the canonical form of their value")
    return value  # type: ignore[no-any-return]


def parse(text: bytes | bytearray) -> Json:
    """Return the value of any JSON, quickly; raise ValueError or RecursionError if it is none."""
    return msgspec.json.decode(text)  # type: ignore[no-any-return]


def indented(value: Json) -> str:
    """Return the JSON of a value for people: on many lines, and quickly."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def gist(payload: bytes, chars: int) -> str:
    """Return as many characters of a value in its canonical bytes, with blanks as `json` has them.

    No more of them is read, and whether they are canonical is not checked.
    """
    start = payload[: 4 * chars + 4].decode("utf-8", "ignore")  # more characters than that
    text = re.sub(_TEXT_OR_SIGN, lambda it: it[0] if it[0][0] == '"' else f"{it[0]} ", start)
    return text if len(text) <= chars else f"{text[: chars - 3]}..."


def _integer(text: str) -> int | float:
    # A float such as 1e20 is written with all its digits, so digits beyond 2^53-1 mean a float.
    if len(text) > 22:
        raise ValueError("an integer of more than 21 digits")
    number = int(text)
    return number if -INTEGER_MAX <= number <= INTEGER_MAX else float(text)


def _constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


_TEXT_OR_SIGN = r'"(?:[^"\\]|\\.)*"?|[,:]'
_DECODER = json.JSONDecoder(parse_int=_integer, parse_constant=_constant)
_PLAIN = msgspec.json.Encoder(order="sorted").encode
_QUOTE = json.encoder.encode_basestring  # RFC 8785 section 3.2.2.2 and json escape alike


def is_plain(value: Json, depth: int) -> bool:
    """Say whether the plain encoder may be used; False as well for what is outside the domain."""
    kind = type(value)
    if kind is list and depth <= DEPTH_MAX:
        for item in value:  # type: ignore[union-attr]  # noqa: SIM110
            # Most are texts; one call less for each of them counts.
            if type(item) is not str and not is_plain(item, depth + 1):
                return False
        return True
    if kind is dict and depth <= DEPTH_MAX:
        for key, item in value.items():  # type: ignore[union-attr]
            if type(key) is not str or not key.isascii():
                return False
            if type(item) is not str and not is_plain(item, depth + 1):
                return False
        return True
    if kind is int:
        return -INTEGER_MAX <= value <= INTEGER_MAX  # type: ignore[operator]
    if kind is float:
        # Here repr and ECMAScript write alike: digits and a point, no exponent, no lone ".0".
        return 1e-4 <= abs(value) < 1e15 and not value.is_integer()  # type: ignore
    return kind is str or value is None or kind is bool


def _plain(value: Json, depth: int) -> Json:
    """Return an equal value that is plain: 1 for 1.0; raise ValueError where there is none.

    Columns of numbers have whole floats, and to write a value is ten times as slow as to copy it.
    """
    kind = type(value)
    if kind is float and abs(value) <= INTEGER_MAX and value.is_integer():  # type: ignore
        return int(value)  # type: ignore[arg-type]
    if kind is list and depth <= DEPTH_MAX:
        return [
            item if type(item) is str else _plain(item, depth + 1)
            for item in value  # type: ignore[union-attr]
        ]
    if kind is dict and depth <= DEPTH_MAX:
        plain: dict[str, Json] = {}
        for key, item in value.items():  # type: ignore[union-attr]
            if type(key) is not str or not key.isascii():
                raise ValueError
            plain[key] = item if type(item) is str else _plain(item, depth + 1)
        return plain
    if not is_plain(value, depth):
        raise ValueError
    return value


def _check(value: Json, depth: int, path: tuple[str | int, ...]) -> None:
    """Raise, with the place, when a value is outside the domain."""
    kind = type(value)
    if kind is str:
        _text(value, path)  # type: ignore[arg-type]
    elif kind is int:
        if not -INTEGER_MAX <= value <= INTEGER_MAX:  # type: ignore[operator]
            raise _outside(path, f"an integer beyond 2^53-1 loses digits in JSON; {AS_TEXT}")
    elif kind is float:
        if not math.isfinite(value):  # type: ignore[arg-type]
            raise _outside(path, f"{value} is not a JSON number")
    elif kind is list or kind is dict:
        if depth > DEPTH_MAX:
            raise _outside(path, f"nested deeper than {DEPTH_MAX} levels")
        items = value.items() if kind is dict else enumerate(value)  # type: ignore
        for key, item in items:
            if kind is dict and type(key) is not str:
                raise _outside(path, f"the key {key!r} is not a string; quote it")
            if kind is dict:
                _text(key, path)  # type: ignore[arg-type]
            _check(item, depth + 1, (*path, key))
    elif value is not None and kind is not bool:
        raise _outside(path, f"a {kind.__name__} is not a JSON value")


def _text(text: str, path: tuple[str | int, ...]) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise _outside(path, "the text has a lone surrogate") from None


def _outside(path: tuple[str | int, ...], what: str) -> InvalidInput:
    place = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).removeprefix(".")
    return InvalidInput(f"{place}: {what}" if place else what)


def _write(value: Json, out: list[str]) -> None:
    if value is None or value is True or value is False:
        out.append({None: "null", True: "true", False: "false"}[value])
    elif isinstance(value, str):
        out.append(_QUOTE(value))
    elif isinstance(value, int):
        out.append(str(value))
    elif isinstance(value, float):
        out.append(_number(value))
    elif isinstance(value, list):
        out.append("[")
        for index, item in enumerate(value):
            if index:
                out.append(",")
            _write(item, out)
        out.append("]")
    else:
        out.append("{")
        for index, key in enumerate(sorted(value, key=_utf16)):
            if index:
                out.append(",")
            out.append(_QUOTE(key))
            out.append(":")
            _write(value[key], out)
        out.append("}")


def _utf16(key: str) -> bytes:
    return key.encode("utf-16-be")


def _number(number: float) -> str:
    """Return a double as ECMAScript prints it (ECMA-262, Number::toString; RFC 8785 3.2.2.3)."""
    if number == 0:
        return "0"
    sign = "-" if number < 0 else ""
    mantissa, _, exponent = repr(abs(number)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    if fraction == "0":
        fraction = ""
    digits = whole + fraction
    point = len(whole) + (int(exponent) if exponent else 0)  # 0.digits * 10**point
    stripped = digits.lstrip("0")
    point -= len(digits) - len(stripped)
    digits = stripped.rstrip("0")
    count = len(digits)
    if count <= point <= 21:
        return sign + digits + "0" * (point - count)
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    power = f"e{point - 1:+d}"
    return sign + (digits[0] + "." + digits[1:] if count > 1 else digits) + power
