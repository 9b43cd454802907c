"""The story, the tutorial, the guides and the recording in docs/ are true: commands print that.

`make golden` writes the answers anew. A block of another language with a file's name in its first
line is that file, and so is one below a line that only names it, as of a table, which can have no
such line; in a `console` block, lines with `$ ` are commands and the others their answers. A `sh`
block that begins with an example of ork is executed, too: it makes what the page is about, and its
answers are not shown.
"""

from __future__ import annotations

import importlib.util
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from ork.cli.app import main
from tests.cli.screen import Window
from tests.conftest import Ork

DOCS = Path(__file__).parent.parent / "docs"
GUIDES = sorted(path.name for path in DOCS.glob("howto/*.md"))
BLOCK = re.compile(r"^(?:`(\S+)`:\n\n)?```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HOME = "/home/ada"  # stands for the folder above the project
FILE = re.compile(r"^(?:#|//) (\S+)\n")
EVENTS = re.compile(r"(?m)(?:^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}  .*\n)+")


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
            "GIT_COMMITTER_DATE": "2026-10-01T00:00:00Z",
        }

    def tell(self, line: str) -> str:
        """Return what a command prints, both streams in the order in which it wrote."""
        words = shlex.split(line)
        if words[0] == "cd":
            os.chdir(words[1])
            return ""
        if words[0] == "ork" and not {"|", ">"}.intersection(words):
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
        before, folder = (sys.stdout, sys.stderr), Path.cwd()
        sys.stdout = sys.stderr = stream
        try:
            main(argv, world=self.ork.world())
        finally:
            sys.stdout, sys.stderr = before
            os.chdir(folder)  # which -C leaves
        return heard.getvalue().decode()


pytestmark = pytest.mark.usefixtures("steady")


def told(teller: Teller, story: str) -> Iterator[str]:
    """Yield the pieces of the story, its answers replaced by those that the commands give now."""
    end = 0
    for block in BLOCK.finditer(story):
        yield story[end : block.start()]
        end = block.end()
        named, language, text = block.groups()
        if language == "console":
            yield story[block.start() : block.start(3)]
            for line in text.splitlines():
                if line.startswith("$ "):
                    yield line + "\n"
                    yield teller.tell(line[2:]).replace(str(teller.ork.folder.parent), HOME)
            yield "```"
            continue
        if language == "sh" and text.startswith("ork init --example"):
            for line in text.splitlines():
                teller.tell(line)
        if named or (first := FILE.match(text)):
            path = Path(named or first[1])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        yield block[0]
    yield story[end:]


def settled(text: str) -> str:
    """Return a text without what differs from run to run: durations, those that stand out, guesses.

    Events are sorted, since tasks beside each other end as they like.
    """
    text = re.sub(r"\b\d+(?:\.\d+)?m?s\b", "TIME", text)
    text = re.sub(r" +TIME", " TIME", text)
    text = re.sub(r"(?m)^[\w ]+: (?: *\d+% )?\([\d,]+.*\), TIME.*\n", "", text)  # progress, if slow
    text = re.sub(r"\. Did you mean: '\w+'\?", "", text)  # some versions of Python guess
    text = re.sub(r"(?m)^  \w+ TIME -> TIME\n", "", text)
    return EVENTS.sub(lambda found: "".join(sorted(found[0].splitlines(keepends=True))), text)


def hold(page: Path, ork: Ork) -> None:
    """Run the commands of a page, and compare what they print."""
    text = page.read_text()
    now = "".join(told(Teller(ork), text))
    if os.environ.get("ORK_GOLDEN") and settled(now) != settled(text):
        page.write_text(now)
        text = now
    assert settled(now) == settled(text)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["story.md", "tutorial.md"])
def test_the_story_and_the_tutorial_are_true(name: str, ork: Ork) -> None:
    hold(DOCS / name, ork)


@pytest.mark.turns(3)
@pytest.mark.parametrize("name", GUIDES)
def test_a_guide_is_true(name: str, ork: Ork) -> None:
    hold(DOCS / "howto" / name, ork)


@pytest.mark.slow
@pytest.mark.turns(3)
def test_the_recording_is_true(tmp_path: Path) -> None:
    place = importlib.util.spec_from_file_location("recording", DOCS / "recording.py")
    assert place is not None and place.loader is not None
    recording = importlib.util.module_from_spec(place)
    place.loader.exec_module(recording)

    def shown(events: Iterable[tuple[float, str]]) -> str:
        window = Window(1000, recording.COLUMNS)
        text = "".join(text for _, text in events).replace(recording.CLEAR, "")
        window.write(text.replace(str(tmp_path), recording.HOME))  # it may be read in two parts
        text = re.sub(r"20\d\d-[\d :+-]+|now +|\d+ seconds? ago +", "DATE", settled(window.text))
        # A deploy is named by what it holds, its time among it.
        return re.sub(r"(?m)^timing .*\n|^[0-9a-f]{8}(?=  [0-9a-f]{8}  DATE)", "", text)

    then = recording.read((DOCS / "images/recording.cast").read_text())
    assert shown(recording.record(tmp_path)) == shown(then), "run `python docs/recording.py`"
