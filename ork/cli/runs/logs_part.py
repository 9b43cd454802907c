"""What tasks printed -> lines and JSON, piece by piece: a log may be larger than memory."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable, Iterator

from ork.store.logs import Log, pieces

LINE_BYTES_MAX = 1 << 20  # a longer line is cut into several


def whole_lines(data: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same bytes in pieces that end where a line does; the last one may not."""
    rest = b""
    for piece in data:
        rest += piece
        end = rest.rfind(b"\n") + 1
        if end or len(rest) > LINE_BYTES_MAX:
            end = end or len(rest)
            yield rest[:end]
            rest = rest[end:]
    if rest:
        yield rest


def json_parts(logs: Iterable[Log], tail: int | None) -> Iterator[str]:
    """Yield the text of the JSON document of some logs, as `show.json_text` would lay it out."""
    yield '{\n  "schema": "ork.logs.v1",\n  "data": ['
    between = "\n"
    for log in logs:
        yield f'{between}    {{\n      "run": {json.dumps(log.run)},\n'
        yield f'      "task": {json.dumps(log.task)},\n      "attempt": {log.attempt},\n'
        yield '      "data": "'
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        for piece in pieces(log.path, tail=tail):
            yield json.dumps(decoder.decode(piece))[1:-1]
        yield json.dumps(decoder.decode(b"", True))[1:-1] + '"\n    }'
        between = ",\n"
    yield "]\n}\n" if between == "\n" else "\n  ]\n}\n"


class Lines:
    """The lines that an attempt prints: bytes come in as they arrive, whole lines go out."""

    def __init__(self) -> None:
        self._rest = b""

    def add(self, data: bytes, *, over: bool = False) -> list[str]:
        """Return the lines that are complete by now; when it is `over`, also one that is not."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if self._rest and (over or len(self._rest) > LINE_BYTES_MAX):
            lines.append(self._rest)
            self._rest = b""
        return [line.decode("utf-8", "backslashreplace") for line in lines]
