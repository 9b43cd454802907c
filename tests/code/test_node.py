"""What tables of a project say to scripts of node."""

from __future__ import annotations

import json

from ork.code.tables.documents import SIZE_MAX
from ork.code.tables.node import COMMENTED_MAX, main_of, named_paths


def test_the_file_that_a_folder_begins_with_is_read() -> None:
    assert main_of(b'{"main": "lib/x.js"}') == "lib/x.js"
    for text in (b"", b"[]", b'{"main": 1}', b"{}"):
        assert main_of(text) is None


def test_hostile_tables_of_packages_cost_little() -> None:
    for text in ('"', "/*", "//", ",", '"\\', "[", '{"a":', "/*/"):
        for size in (COMMENTED_MAX, SIZE_MAX):
            whole = (text * (size // len(text))).encode()
            assert not list(named_paths("tsconfig.json", whole, "a"))
    many = json.dumps({"imports": {f"*{n}": "./a" for n in range(50_000)}}).encode()
    assert not any(list(named_paths("package.json", many, f"x{n}b")) for n in range(200))
