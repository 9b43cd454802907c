"""A process that reads one kind of input, made up by a coverage-guided fuzzer, until it is told to.

    python -m tests.torture.fuzz TARGET FOLDER... -max_total_time=10

Whatever comes in, nothing but an error of ork may come out; what is read must be written the same.
"""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

import atheris

with atheris.instrument_imports(include=["ork"]):
    from ork.definition.workflow import parse as parse_workflow
    from ork.errors import OrkError
    from ork.objects.canonical import hash_bytes, unframe
    from ork.objects.kinds import decode_needs, decode_object, encode_object
    from ork.store import revision
    from ork.sync.bundle import BACKUP, BUNDLE, Bundle
    from ork.sync.receive import check

SECONDS_MAX = 2.0  # that an input may take
NOW = datetime(2026, 11, 1, tzinfo=UTC)


def workflow(data: bytes) -> None:
    """Read a workflow file."""
    parse_workflow(data, file="etl.yaml")


def object_(data: bytes) -> None:
    """Read an object, whose bytes are the only ones that say it."""
    value = decode_object(data)
    assert encode_object(value) == data
    if unframe(data)[0] == "task":
        decode_needs(data)


def words(data: bytes) -> None:
    """Read what users type to mean a deploy, a run, a moment."""
    text = data.decode("utf-8", "surrogateescape")
    for read in (
        revision.parse,
        revision.parse_range,
        revision.split_part,
        lambda text: revision.parse_moment(text, NOW),
        lambda text: revision.parse_moment(text, NOW, end_of_day=True),
        lambda text: revision.in_workflow("etl", text),
    ):
        try:
            read(text)
        except OrkError:
            pass


def bundle(data: bytes) -> None:
    """Read a bundle and check it as an import does; its last hash is made right."""
    whole = data + bytes.fromhex(hash_bytes(data))
    check(Bundle(io.BytesIO(whole), "x.bundle", (BUNDLE, BACKUP)), None)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "workflow": workflow,
    "object": object_,
    "words": words,
    "bundle": bundle,
}


def main() -> None:
    """Read inputs for as long as the options say; any other error than ork's ends the process."""
    target = TARGETS[sys.argv.pop(1)]

    def read(data: bytes) -> None:
        start = time.process_time()  # a busy machine slows down clocks, not this one
        try:
            target(data)
        except OrkError:
            pass
        assert time.process_time() - start < SECONDS_MAX, "it takes too long"

    atheris.Setup(sys.argv, read)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
