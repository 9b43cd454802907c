"""Makes the recording that README shows: `python docs/recording.py`, after `make docs`.

Commands run in a terminal, in a fresh folder. What they print becomes images/recording.cast, for
`asciinema play`, typed and slowed down for who reads it; and out of that recording.svg: pictures
one above the other, that a style moves through a window. Who wants no motion sees the last one.
"""

from __future__ import annotations

import codecs
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from pyte.screens import Char

Event: TypeAlias = "tuple[float, str]"  # seconds from the beginning, and what was written then

SCRIPT = """\
# A pipeline on real data, in a file and some Python
ork run
# Somebody tidies up, with a slip of the hand
sed -i 's/len(penguins)/len(penguin)/' tasks/clean.py
ork run -m "Tidy up"
# What changed since it worked?
ork diff --last
# What did the good run really execute?
ork show penguins#1:tasks/clean.py | tail -n 5
ork logs penguins#1:report | tail -n 6
# Take me back
ork rollback
ork restore --code
ork run
ork log --oneline
"""
ROWS, COLUMNS = 27, 100
HOME = "/home/ada/penguins"  # stands for the folder
CLEAR = "\x1b[H\x1b[2J"

LETTER_S = 0.045
SLOWER = 6  # than they are, commands are shown
COMMAND_MAX_S = 4.0
PAUSE_S, LINE_S, PAUSE_MAX_S = 0.9, 0.2, 4.5  # after a command, and for each of its lines


def record(folder: Path) -> Iterator[Event]:
    """Run the script in an empty folder, and yield what a terminal shows."""
    environ = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(folder),
        "TERM": "xterm-256color",
        "LC_ALL": "C.UTF-8",
        "PAGER": "cat",
        "ORK_AUTHOR": "Ada Lovelace <ada@example.org>",
    }
    subprocess.run(
        ["ork", "init", "--example", "penguins"],
        cwd=folder,
        env=environ,
        check=True,
        capture_output=True,
    )
    now = 0.5
    for line in SCRIPT.splitlines():
        if line.startswith("#"):
            yield now, f"{CLEAR}\x1b[1;36m{line}\x1b[0m\r\n"
            now += 1.0
            continue
        yield now, "\x1b[32m$\x1b[0m "
        now += 0.4
        for letter in line:
            now += LETTER_S
            yield now, letter
        now += 0.4
        yield now, "\r\n"
        began, lines = now, 0
        for seconds, text in run(line, folder, environ):
            now = began + min(seconds * SLOWER, COMMAND_MAX_S)
            lines += text.count("\n")
            yield now, text.replace(str(folder), HOME)
        now += min(PAUSE_S + lines * LINE_S, PAUSE_MAX_S)
    yield now, ""


def run(line: str, folder: Path, environ: dict[str, str]) -> Iterator[Event]:
    """Run a line of the shell in a terminal of its own, and yield what it writes."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    child = subprocess.Popen(
        ["/bin/sh", "-c", line],
        cwd=folder,
        env=environ,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    began = time.monotonic()
    decoder = codecs.getincrementaldecoder("utf-8")()
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # Linux says so when the other end is closed
            break
        yield time.monotonic() - began, decoder.decode(part)
    os.close(ours)
    child.wait()


def written(events: Iterable[Event]) -> str:
    """Return a recording as asciinema has it, of version 2."""
    head = {"version": 2, "width": COLUMNS, "height": ROWS, "title": "ork"}
    lines = [head, *([round(at, 3), "o", text] for at, text in events)]
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def read(cast: str) -> Iterator[Event]:
    """Yield what a recording shows."""
    for line in cast.splitlines()[1:]:
        at, _, text = json.loads(line)
        yield at, text


# As on a dark terminal; what is dim is shown as bright black, since `pyte` does not know it.
COLOURS = {
    "default": "#d6dbe1",
    "black": "#2a3038",
    "red": "#ff7b72",
    "green": "#56d364",
    "brown": "#e3b341",
    "blue": "#79c0ff",
    "magenta": "#d2a8ff",
    "cyan": "#76e3ea",
    "white": "#d6dbe1",
    "brightblack": "#8b949e",
}
FONT = "ui-monospace, SFMono-Regular, Menlo, 'DejaVu Sans Mono', Consolas, monospace"
WIDTH, HEIGHT, EDGE = 8, 18, 14  # of a letter, a line, the border
PICTURE_S = 0.12  # that a picture is shown at the least
LAST_S = 6.0  # that the last one stays

Picture: TypeAlias = "tuple[str, ...]"  # its lines, as SVG


def pictures(events: Iterable[Event]) -> list[tuple[float, Picture]]:
    """Return what is seen, and from when on."""
    import pyte  # is there after `make docs`; the tests do without

    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.Stream(screen)
    found: list[tuple[float, Picture]] = [(0.0, ("",) * ROWS)]
    for at, text in events:
        stream.feed(text.replace("\x1b[2m", "\x1b[90m"))
        picture = tuple(drawn(screen.buffer[row]) for row in range(ROWS))
        if picture == found[-1][1]:
            continue
        if at - found[-1][0] < PICTURE_S:
            at, _ = found.pop()
        found.append((at, picture))
    return found


def drawn(line: Mapping[int, Char]) -> str:
    """Return a line as SVG: what looks alike together, each at its column in any font."""
    parts = []
    for (colour, bold), group in groupby(range(COLUMNS), lambda x: (line[x].fg, line[x].bold)):
        columns = list(group)
        text = "".join(line[x].data for x in columns)
        for word in re.finditer(r"\S+(?: \S+)*", text):
            x, length = (columns[0] + word.start()) * WIDTH, len(word[0]) * WIDTH
            look = f' fill="{COLOURS[colour]}"' if colour != "default" else ""
            look += ' font-weight="700"' if bold else ""
            parts.append(f'<tspan x="{x}" textLength="{length}"{look}>{escape(word[0])}</tspan>')
    return "".join(parts)


def svg(shown: list[tuple[float, Picture]]) -> str:
    """Return a picture that moves: each line is written once, and used where it is seen."""
    lines: dict[str, str] = {}
    for _, picture in shown:
        for line in filter(None, picture):
            lines.setdefault(line, f"l{len(lines)}")
    width, height = COLUMNS * WIDTH, ROWS * HEIGHT
    end = shown[-1][0] + LAST_S
    moves = "".join(
        f"{at / end:.3%}{{transform:translateY({-number * height}px)}}"
        for number, (at, _) in enumerate(shown)
    )
    used = "".join(
        f'<use href="#{lines[line]}" y="{(number * ROWS + row) * HEIGHT}"/>'
        for number, (_, picture) in enumerate(shown)
        for row, line in enumerate(picture)
        if line
    )
    texts = "\n".join(f'<text id="{id}" y="13">{line}</text>' for line, id in lines.items())
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width + 2 * EDGE} {height + 2 * EDGE}">
<title>ork in a terminal: a pipeline runs, breaks, and is put back</title>
<style>
text{{font:13px {FONT};fill:{COLOURS["default"]};white-space:pre}}
.all{{transform:translateY({-(len(shown) - 1) * height}px)}}
@media (prefers-reduced-motion:no-preference){{.all{{animation:all {end:.1f}s step-end infinite}}}}
@keyframes all{{{moves}}}
</style>
<defs>
{texts}
</defs>
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
<svg x="{EDGE}" y="{EDGE}" width="{width}" height="{height}"><g class="all">{used}</g></svg>
</svg>
"""


def main() -> None:
    """Write both."""
    images = Path(__file__).parent / "images"
    with tempfile.TemporaryDirectory() as folder:
        events = list(record(Path(folder)))
    (images / "recording.cast").write_text(written(events))
    (images / "recording.svg").write_text(svg(pictures(events)))


if __name__ == "__main__":
    main()
