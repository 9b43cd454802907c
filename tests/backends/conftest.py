"""Backends that lie in a folder, and processes beside the test that use them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ork.backends.lmdb import Lmdb

Start = Callable[..., "subprocess.Popen[str]"]
ROOT = Path(__file__).parents[2]
SOON_S = 30  # far more than needed, far less than the 60 s after which a writer gives up


@pytest.fixture
def kind() -> Any:
    """The class of the backend; a module that tries several gives its own."""
    return Lmdb


@pytest.fixture
def folder(tmp_path: Path, kind: Any) -> Path:
    """Where the data of an empty one lie: a folder, or a file in one that it has for itself."""
    return made(kind, tmp_path)


@pytest.fixture
def backend(folder: Path, kind: Any) -> Iterator[Any]:
    opened = kind.open(folder)
    yield opened
    opened.close()


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    """Start a function of `children` in a process of its own; kill at the end what is left."""
    started: list[subprocess.Popen[str]] = []

    def start(name: str, *arguments: object, **environ: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.backends.children", name, str(folder)]
            + [str(argument) for argument in arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, **environ},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def made(kind: Any, parent: Path) -> Path:
    """Make an empty one below a folder, and return where its data lie."""
    at = parent / "db" / kind.INSIDE
    if kind.INSIDE:
        at.parent.mkdir()
        at.parent.chmod(0o700)  # whatever the umask
    kind.create(at)
    return at


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().rstrip("\n")


def output(process: subprocess.Popen[str]) -> list[str]:
    out, err = process.communicate(timeout=SOON_S)
    assert process.returncode == 0, err
    return out.splitlines()
