"""Values as blobs: whatever is quicker for some gives the bytes of the encoder."""

from __future__ import annotations

import pytest

from ork.objects import canonical
from ork.objects.canonical import Json
from ork.runner.blobs import SMALL_BYTES_MAX, blob_of, stored

VALUES: list[Json] = [
    None,
    {},
    [],
    "",
    0,
    0.0,
    False,
    True,
    1,
    1.0,
    {"a": None},
    [{}],
    "x" * 3 * SMALL_BYTES_MAX,
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:20])
def test_a_blob_has_the_canonical_bytes_of_its_value(value: Json) -> None:
    for _ in range(2):
        assert blob_of(value) == stored(canonical.encode(value))
