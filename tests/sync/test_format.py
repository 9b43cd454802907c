"""The form of a bundle, as docs/format.md has it."""

import re
from pathlib import Path

from ork.objects.canonical import Oid
from ork.sync.bundle import Source, open_bundle, pieces

PAGE = Path(__file__).parents[2] / "docs/format.md"
OID = Oid("89efacb3145ac1013a89ed69fa10f8e1aa7b665261b51040956982355b2e7227")


def test_the_vector_of_the_page(tmp_path):
    (text,) = re.findall(r"```bundle-vector\n([0-9a-f\n]+)```", PAGE.read_text())
    data = bytes.fromhex(text)
    assert b"".join(pieces(Source({"tags/etl/v1": OID}, [], []), [OID])) == data
    (tmp_path / "a.bundle").write_bytes(data)
    with open_bundle(str(tmp_path / "a.bundle")) as bundle:
        assert (bundle.needs, bundle.refs) == ((OID,), {"tags/etl/v1": OID})
