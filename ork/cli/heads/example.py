"""The projects that `ork init --example` writes: of the folder `examples`, or one first file."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import ork
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
    paths = sorted(
        (folder / path for path in files), key=lambda path: (path.suffix != ".yaml", path)
    )
    if there := [os.path.relpath(path) for path in paths if path.exists()]:
        raise InvalidInput(
            f"there is {', '.join(there)} already, and nothing was written",
            hint="`ork init --example NAME FOLDER` writes into another folder",
        )
    for path in paths:
        source = files[path.relative_to(folder)]
        path.parent.mkdir(parents=True, exist_ok=True)
        with new_file(path) as file:
            file.write(EMPTY.encode() if source is None else source.read_bytes())
        if source is not None:
            shutil.copymode(source, path)
    return paths


def _files(example: str | None) -> Iterator[tuple[Path, Path | None]]:
    """Yield the paths of an example, and where each is copied from."""
    if example is None:
        yield Path("first.yaml"), None
        return
    inside = Path(ork.__file__).parent
    # In a wheel they lie in the package; where ork is worked on, beside it.
    root = next(
        place
        for place in (inside / "examples" / example, inside.parent / "examples" / example)
        if place.is_dir()
    )
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root)
        if path.is_file() and not LEFT_OUT.intersection(name.parts):
            yield name, path
