"""The projects that `ork init --example` writes: of the folder `examples`, or one first file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import ork
from ork.cli.heads import schema
from ork.errors import InvalidInput, UsageError
from ork.files import new_file

EXAMPLES = {"penguins": "penguins", "shell": "hello", "empty": None}
LEFT_OUT = {"v2", "demo.sh", "__pycache__"}  # the demo's own
EMPTY = """\
name: first
tasks:
  hello:
    executor: process          # a command for the shell; `python` calls a function
    command: echo "Hello, world"
"""


def write_example(name: str, folder: Path) -> list[Path]:
    """Write an example into a folder; return its files, the workflow first.

    Raise InvalidInput, and write nothing, when one of them is there already.
    """
    if name not in EXAMPLES:
        raise UsageError(f"--example {name}: there are {', '.join(EXAMPLES)}")
    files = dict(_files(EXAMPLES[name]))
    if there := [os.path.relpath(folder / path) for path in files if (folder / path).exists()]:
        raise InvalidInput(
            f"there is {', '.join(there)} already, and nothing was written",
            hint="`ork init --example NAME FOLDER` writes into another folder",
        )
    if not (folder / schema.FILE).exists():  # another example has the same
        files[Path(schema.FILE)] = schema.text().encode(), 0o666
    for path, (data, mode) in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        with new_file(folder / path, mode=mode) as file:
            file.write(data)
    return [folder / path for path in files]


def _files(example: str | None) -> Iterator[tuple[Path, tuple[bytes, int]]]:
    """Yield the files of an example, the workflow first: path, and what it holds with its mode."""
    if example is None:
        yield Path("first.yaml"), ((schema.IN_A_WORKFLOW + EMPTY).encode(), 0o666)
        return
    inside = Path(ork.__file__).parent
    # In a wheel they lie in the package; where ork is worked on, beside it.
    root = next(
        place
        for place in (inside / "examples" / example, inside.parent / "examples" / example)
        if place.is_dir()
    )
    for path in sorted(root.rglob("*"), key=lambda path: (path.suffix != ".yaml", path)):
        name = path.relative_to(root)
        if path.is_file() and not LEFT_OUT.intersection(name.parts):
            first = schema.IN_A_WORKFLOW.encode() if path.suffix == ".yaml" else b""
            yield name, (first + path.read_bytes(), path.stat().st_mode)
