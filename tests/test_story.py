"""The story in docs/story.md is true: its commands are run, and print what it says.

`make golden` writes the answers anew. A block of another language with a file's name in its first
line is that file (of a table without that line, which it cannot have); in a `console` block, lines
with `$ ` are commands and the others their answers.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ork.cli.app import main
from tests.conftest import Ork

STORY = Path(__file__).parent.parent / "docs" / "story.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HOME = "/home/ada"  # stands for the folder above the project
FILE = re.compile(r"^(?:#|//) (\S+)\n")


class Teller:
    """Runs the commands of the story, one after the other, as one would at a terminal."""

    def __init__(self, ork: Ork) -> None:
        self.ork = ork
        self.environ = {
            **ork.environ,
            "GIT_CONFIG_GLOBAL": os.devnull,
            "LC_ALL": "C.UTF-8",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_PAGER": "cat",
        }

    def tell(self, line: str) -> str:
        """Return what a command prints, both streams in the order in which it wrote."""
        words = shlex.split(line)
        if words[0] == "cd":
            os.chdir(words[1])
            return ""
        if words[0] == "ork" and "|" not in words:
            return self._ork(words[1:])
        done = subprocess.run(
            ["/bin/sh", "-c", line],
            env=self.environ,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        return done.stdout

    def _ork(self, argv: list[str]) -> str:
        heard = io.BytesIO()
        stream = io.TextIOWrapper(heard, encoding="utf-8", write_through=True)
        before = sys.stdout, sys.stderr
        sys.stdout = sys.stderr = stream
        try:
            main(argv, world=self.ork.world())
        finally:
            sys.stdout, sys.stderr = before
        return heard.getvalue().decode()


@pytest.fixture(autouse=True)
def steady(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no program that a busy machine starts slowly count as one that took notably longer."""
    monkeypatch.setattr("ork.differences.runs.NOTABLE_SECONDS", 60)


def told(teller: Teller, story: str) -> Iterator[str]:
    """Yield the pieces of the story, its answers replaced by those that the commands give now."""
    end = 0
    for block in BLOCK.finditer(story):
        yield story[end : block.start()]
        end = block.end()
        language, text = block.groups()
        if language == "console":
            yield "```console\n"
            for line in text.splitlines():
                if line.startswith("$ "):
                    yield line + "\n"
                    yield teller.tell(line[2:]).replace(str(teller.ork.folder.parent), HOME)
            yield "```"
            continue
        if named := FILE.match(text):
            path = Path(named[1])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text[named.end() :] if language == "csv" else text)
        yield block[0]
    yield story[end:]


def settled(text: str) -> str:
    """Return a text without what differs from run to run: durations, and those that stand out."""
    text = re.sub(r"\b\d+(?:\.\d+)?m?s\b", "TIME", text)
    text = re.sub(r" +TIME", " TIME", text)
    return re.sub(r"(?m)^  \w+ TIME -> TIME\n", "", text)


@pytest.mark.slow
def test_the_story_is_true(ork: Ork) -> None:
    story = STORY.read_text()
    now = "".join(told(Teller(ork), story))
    if os.environ.get("ORK_GOLDEN"):
        STORY.write_text(now)
        story = now
    assert settled(now) == settled(story)
