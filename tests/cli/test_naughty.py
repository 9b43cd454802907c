"""Every command, in each of its forms, over a store that has hostile texts in every field.

What is checked of all outputs: nothing in them moves a cursor, hides, reorders or piles up marks;
no text begins a line of its own, which could be taken for another record; nothing is endless; no
command ends in a traceback; and JSON gives the text back exactly.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import struct
import sys
import termios
import threading
import tty
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace

import pytest

from ork.cli.app import COMMANDS, main
from ork.cli.screen import progress
from ork.cli.screen.line import CODES
from ork.cli.screen.terminal import (
    CUT_LINES,
    HIDE_CURSOR,
    REST_OF_LINE,
    REST_OF_SCREEN,
    SHOW_CURSOR,
    WRAP_LINES,
)
from ork.store.store import Stamp, Store
from tests.cli.hostile_store import CUT, fill, strings, turned
from tests.cli.naughty import NAUGHTY, harmless
from tests.conftest import START, Ork, Result
from tests.scale import sampled, size

FORGED = "FORGED"
TEXTS = {
    "plain": "plain",
    "controls": "".join(
        NAUGHTY[name] for name in ("escape", "c1", "nul", "bidi", "hidden", "tags", "wide")
    )
    + (
        "\x1b[7;44mC\x1b[2J\x1b]8;;http://x\x1b\\L\x1b]8;;\x1b\\\x1b]52;c;eA==\x07\b\x7f\x84\u2067"
        "\u05d0\U0001f600\x0e\x1bPq\x1b\\"
    ),
    "lines": f"a\n{FORGED} b\r\n{FORGED} c\r{FORGED}\x0b{FORGED}\x0c{FORGED}\x85{FORGED}\u2028"
    f"{FORGED}\u2029{FORGED}\n\n{FORGED}\n==> {FORGED}",
    "marks": "e" + "\u0301" * size(40_000, by_day=26_000),
    "markup": " ".join(
        NAUGHTY[name]
        for name in (
            "script",
            "style",
            "title",
            "quotes",
            "comment",
            "entities",
            "ticks",
            "pipes",
            "mentions",
            "mermaid",
            "dot",
            "details",
            "json",
        )
    )
    + " ]]> [/bold] [red]x %s%n {0} {} $HOME \\n",
    "option": "--json",
    "blank": " ",
    "long": "x" * 60_000,
}
# Those that go together in one text, which costs one pass of all commands instead of three.
TEXTS["mixed"] = CUT.join(TEXTS[name] for name in ("controls", "lines", "markup"))
SHOW_LOGS = ("logs", "watch", "run", "retry")
OUTPUT_CHARS_MAX = 25_000  # however many marks a text has, which has more than that

Case = tuple[list[str], int]


def reads(*lines: str, code: int = 0) -> list[Case]:
    """Return command lines that end with the same exit code."""
    return [(line.split(), code) for line in lines]


DIFFS = ("etl~3 etl~2", "etl~2 etl", "etl~3 etl~2 -- extract")
# Command -> its forms. What changes the store comes last, below.
READING: dict[str, list[Case]] = {
    "status": reads("status"),
    "workflows": reads("workflows", "workflows --all"),
    "log": reads(
        "log",
        "log --oneline",
        "log --stat",
        "log -p",
        "log --oneline -p",
        "log --reverse",
        "log etl:extract",
        "log etl:renamed -p --follow",
        "log etl:load --stat",
        "log etl~3..etl",
        "log -n 1",
        "log --author .",
        "log -- mod",
        "--at-op @{1} log",
    ),
    "diff": reads(
        *(
            f"diff{form} {ends}"
            for ends in DIFFS
            for form in (
                "",
                " -p",
                " --stat",
                " --name-status",
                " --word-diff",
                " --no-renames",
                " --format markdown",
                " --format html",
            )
        ),
        "diff etl#1 etl#2",
        "diff --last etl",
        "diff etl#1 etl#3",
        "diff etl#1^{snapshot} etl#2^{snapshot}",
    )
    + reads("diff etl~3 etl~2 --exit-code", "diff etl#1 etl#2 --exit-code", code=1)
    + reads("diff etl", "diff", code=3),
    "show": reads(
        "show",
        "show etl~3",
        "show etl~2",
        "show etl^{snapshot}",
        "show etl:extract",
        "show etl:load",
        "show etl:words",
        "show etl#1",
        "show etl#2",
        "show etl#3",
        "show etl#1:extract",
        "show etl#2:load",
        "show @{0}",
        "show etl@v1",
    ),
    "blame": reads(
        "blame",
        "blame --keys",
        "blame etl:extract",
        "blame etl:",
        "blame etl~3..etl",
        "blame etl:new4",
        "blame etl:renamed",
    ),
    "graph": reads(
        *(
            f"graph {what} --format {form}"
            for what in ("etl", "etl#2", "etl~3..etl~2")
            for form in ("text", "mermaid", "dot", "svg")
        )
    ),
    "report": reads(
        "report etl -o -",
        "report etl#1 -o -",
        "report etl#2 -o -",
        "report etl#3 -o -",
        "report etl~3..etl~2 -o -",
    ),
    "tag": reads("tag", "tag -l etl"),
    "ops": reads("ops", "ops -n 2"),
    "runs": reads(
        "runs",
        "runs etl",
        "runs --status failed",
        "runs --containing etl~3:load",
        "runs --snapshot etl~3",
        "runs etl --tasks",
        "runs etl:extract",
        "runs etl:load",
    ),
    "watch": reads("watch etl#1") + reads("watch etl#2", "watch etl#3", code=1),
    "logs": reads(
        "logs etl#1",
        "logs etl#2 --failed",
        "logs etl#1:extract",
        "logs etl#2:load",
        "logs etl#1 --tail 1",
        "logs -f etl#1",
        "logs -f etl#1:extract",
    ),
    "outputs": reads("outputs etl#1", "outputs etl#1:load"),
    "grep": reads("grep .", "grep -l . etl~3", "grep . etl:extract etl:"),
    "schedule": reads("schedule", "schedule skips"),
    "fsck": reads("fsck --full"),
    "forget": reads("forget etl:extract"),
    "rev-parse": reads("rev-parse etl etl#1 etl:extract", "rev-parse --short etl"),
    "cat-object": reads(
        "cat-object etl",
        "cat-object etl:extract",
        "cat-object --kind etl",
        "cat-object --size etl",
        "cat-object --raw etl^{snapshot}",
    ),
    "schema": reads("schema"),
    "completion": reads("completion zsh")
    + [
        (["completion", shell, "--line", line], 0)
        for shell in ("fish", "bash")
        for line in ("ork show etl", "ork show etl:", "ork run etl -i ", "ork undo ", "ork check ")
    ],
    "hash-object": reads("hash-object file"),
    "ls-tree": reads("ls-tree etl", "ls-tree etl~3", "ls-tree etl#2"),
    "check": reads("check file.json", code=1) + reads("check file.json good.json", code=1),
}
WRITING: dict[str, list[Case]] = {
    "init": reads("init"),
    "deploy": reads("deploy file.json", code=3) + reads("deploy good.json", "status", "diff good"),
    "rollback": reads("rollback etl etl~2", "rollback etl"),
    "restore": reads("restore etl -o out/ --code", "restore etl~3 -o one"),
    "tag": reads("tag new etl", "tag -f new etl~1", "tag new etl~1", "tag -d new"),
    "undo": reads("undo"),
    "archive": reads("archive etl", "ops -n 1", "archive --undo etl"),
    "mv": reads("mv etl load", code=5)  # a run of it waits
    + reads("mv good better", "ops -n 1", "log better", "mv better good"),
    "run": reads("run good", code=1) + reads("run etl", code=2),  # it wants secrets
    "retry": reads("retry etl#2", "retry etl#2 etl#3", code=2),
    "cancel": reads("cancel etl#1", code=2),
    "schedule": reads("run etl --queue", "schedule list"),
    "bisect": reads("bisect etl --good etl#1 --bad etl#2"),
    "export": reads("export git repo etl", "export git repo etl --update"),
    "backup": reads("backup copy"),
    "bundle": reads(
        "bundle create all.bundle --all --runs all",
        "bundle list all.bundle",
        "bundle verify all.bundle",
    ),
    "import": reads("import git . --path file.json", code=3)
    + reads("import bundle all.bundle --dry-run"),
    "remote": reads("remote", "remote add other ..", "remote rm other"),
    "push": reads("push ../elsewhere", "push ../elsewhere --dry-run"),
    "pull": reads("pull ../elsewhere"),
    "fetch": reads("remote add third ../elsewhere", "fetch third", "status", "remote rm third"),
    "clone": reads("clone . ../cloned"),
    "up": reads("up --systemd --no-web"),  # what it tells: tests/daemon/test_told.py
    "gc": reads("gc", "gc --prune --force --undo-days 0 --keep-runs 0", "ops"),
}
# What prints bytes, or values for other programs, as they are: only a terminal is protected.
RAW = (
    "cat-object etl",
    "cat-object --raw",
    "logs etl#",
    "logs -f etl#1:extract",
    "outputs",
    "restore etl -o -",
)
# One line for each item, however many lines its texts have.
LISTS = (
    "workflows",
    "log --oneline",
    "runs",
    "runs etl:load",
    "grep -l .",
    "tag",
    "ops",
    "schedule",
    "ls-tree etl",
    "rev-parse etl etl#1 etl:extract",
    "diff --name-status etl~3",
    "diff --stat etl~3",
    "status",
    "blame",
    "blame etl:extract",
    "graph etl --format text",
    "show etl#1",
    "restore etl -o out/ --code",
)
JSON = (
    "status",
    "log",
    "log -p",
    "diff etl~3 etl~2",
    "diff etl#1 etl#2",
    "show etl",
    "show etl:load",
    "show etl#2",
    "show etl#2:load",
    "show etl:",
    "blame --keys",
    "blame etl:",
    "blame etl:extract",
    "tag",
    "ops",
    "runs",
    "runs etl:load",
    "logs etl#1",
    "logs etl#1:load",
    "logs -f etl#1",
    "outputs etl#1",
    "cat-object etl",
    "check file.json",
    "watch etl#2",
    "ls-tree etl",
    "rev-parse etl",
    "bisect etl --good etl#1 --bad etl#2",
    "graph etl~3..etl~2",
    "rollback etl etl~2",
)
LIVE = ("run", "retry", "bisect", "push", "pull", "fetch", "clone")  # they draw on lines anew
EVENTS = ("watch etl#2", "logs -f etl#1")  # a document a line
SOURCES = ("blame etl:", "show etl:")  # files, in which no text has a NUL
# Those that show oids, names, paths, single lines.
TEXTLESS = ("rev-parse", "graph", "ls-tree", "blame etl:", "status", "logs -f", "check")
BYTES = ("show etl:", "show etl:new4", "cat-object etl:new4", "restore etl -o -")


@pytest.fixture
def world(ork: Ork, opened: Callable[[], Store]) -> Callable[[str], Ork]:
    """Fill the folder and its store with a text."""

    def make(text: str) -> Ork:
        (ork.folder.parent / "elsewhere").mkdir()
        for folder in (".", "../elsewhere"):
            assert ork("init", folder).code == 0
        fill(opened(), text)
        ork.write("file", "")
        (ork.folder / "file").write_text(text)
        task = {"executor": "process", "command": ["printf", text[:1000]], text: text}
        (ork.folder / "file.json").write_text(json.dumps({"name": text, "tasks": {text: task}}))
        word = text[:1000].replace("\0", "")
        good = {
            "name": "good",
            "description": text,
            "tasks": {
                "a": {
                    "executor": "process",
                    "command": ["./nowhere", word],
                    "inputs": {word[:100]: {"const": text}},
                    "env": {"A": word},
                }
            },
        }
        (ork.folder / "good.json").write_text(json.dumps(good))
        return ork

    return make


def cases(*, one_in: int = 1) -> list[Case]:
    """Return all command lines, by day some that read; those that change the store come last."""
    reading, writing = (
        [case for forms in table.values() for case in forms] for table in (READING, WRITING)
    )
    return sampled(reading, one_in=one_in) + writing


def unpainted(text: str, *, live: bool = False, logs: bool = False) -> str:
    """Return a text without the sequences that are ork's own, of logs also without colours.

    A log that changes the colour has to end the line with ork's own.
    """
    if logs:
        text = re.sub("\x1b\\[[0-9;]*m(?=[^\n]*\x1b\\[0m)", "", text)
    own = {f"\x1b[{code}m" for code in CODES.values()} | {"\x1b[0m"}
    if live:
        own |= {CUT_LINES, WRAP_LINES, HIDE_CURSOR, SHOW_CURSOR, REST_OF_LINE, REST_OF_SCREEN, "\r"}
        text = re.sub("\x1b\\[[0-9]+A", "", text)
    return re.sub("|".join(map(re.escape, own)), "", text)


def is_raw(line: str) -> bool:
    return line.startswith(RAW)


def on_terminal(ork: Ork, argv: list[str]) -> Result:
    """Run ork, in this process, with a terminal of 80 columns for its output and errors."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    seen: list[bytes] = []

    def read() -> None:
        try:
            while part := os.read(ours, 65536):
                seen.append(part)
        except OSError:
            pass  # Linux says so when the other end is closed

    reader = threading.Thread(target=read)
    reader.start()
    streams = sys.stdout, sys.stderr
    stream = open(theirs, "w", encoding="utf-8", errors="backslashreplace")  # noqa: SIM115
    try:
        sys.stdout = sys.stderr = stream
        world = ork.world()._replace(environ={**ork.environ, "TERM": "xterm", "PAGER": "cat"})
        code = main(argv, world=world)
    finally:
        stream.close()
        sys.stdout, sys.stderr = streams
        reader.join()
        os.close(ours)
    return Result(code, b"".join(seen).decode("utf-8", "surrogateescape"), "")


def forges(line: str, text: str) -> bool:
    """Say whether a text begins a line where only ork's own words do; HTML knows no lines."""
    if line.startswith("report") or "--format html" in line:
        return False
    text = re.sub("(?ms)^--- the end of the log of .*?^---$", "", text)
    text = re.sub("(?ms)^(```+)diff$.*?^\\1$", "", text)  # of a code file, in Markdown
    return re.search(f"(?m)^ {{0,3}}{FORGED}", text) is not None


def complaint(line: str, result: Result, code: int, *, live: bool = False) -> str | None:
    """Say what is wrong with the output of a command line."""
    both = unpainted(result.out + result.err, live=live, logs=line.split()[0] in SHOW_LOGS)
    if result.code != code:
        return f"{line}: exit code {result.code}, not {code}: {result.err[:3000]}"
    if not harmless(both):
        return f"{line}: lets a text through: {ascii(both)[:1500]}"
    if forges(line, both):
        return f"{line}: a text begins a line: {ascii(both)[:1500]}"
    return None


def test_every_command_is_tried() -> None:
    assert READING.keys() | WRITING.keys() == COMMANDS.keys()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "color"),
    [
        ("mixed", "never"),
        *(
            pytest.param(name, color, marks=pytest.mark.turns(3))
            for name, color in [
                *((name, "never") for name in ("marks", "option", "blank", "long")),
                ("mixed", "always"),
            ]
        ),
    ],
)
def test_no_output_is_painted_or_forged_by_data(
    name: str, color: str, world: Callable[[str], Ork]
) -> None:
    ork = world(TEXTS[name])
    wrong = []
    for argv, code in cases(one_in=1 if (name, color) == ("mixed", "never") else 3):
        line = " ".join(argv)
        result = ork("--color", color, *argv)
        if is_raw(line):
            result = replace(result, out="")
        if found := complaint(line, result, code):
            wrong.append(found)
        size = len(re.sub(r"(?s)<style>.*?</style>", "", result.out) + result.err)
        if name == "marks" and size > OUTPUT_CHARS_MAX:
            wrong.append(f"{line}: {size} characters")
    assert not wrong, "\n".join(wrong)


@pytest.mark.slow
def test_a_terminal_is_never_painted_by_data(
    world: Callable[[str], Ork], monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a busy machine a command may draw how far it has come, which has no text in it.
    monkeypatch.setattr(progress, "SECONDS_BEFORE", 600.0)
    ork = world(TEXTS["mixed"])
    wrong = []
    for argv, code in [*reads(*BYTES), *cases(one_in=3)]:
        line = " ".join(argv)
        result = on_terminal(ork, argv)
        if is_raw(line) or line in BYTES:  # lines of a file are lines
            result = replace(result, out=result.out.replace(FORGED, ""))
        if found := complaint(line, result, code, live=argv[0] in LIVE):
            wrong.append(found)
    assert not wrong, "\n".join(wrong)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mixed", "blank", "option"])
def test_json_is_ascii_and_gives_the_text_back_exactly(
    name: str, world: Callable[[str], Ork]
) -> None:
    ork = world(TEXTS[name])
    turns = {turned(TEXTS[name], version) for version in range(3)}
    for line in JSON:
        result = ork(*line.split(), "--json")
        assert result.code < 2, (line, result.err)
        assert result.out.isascii(), line
        documents = result.out.splitlines() if line in EVENTS else [result.out]
        found = set[str]().union(*(strings(json.loads(one)) for one in documents))
        if not line.startswith(TEXTLESS):
            kept = {text.replace("\0", "") for text in turns} if line in SOURCES else turns
            assert any(text in one for one in found for text in kept), line
        assert harmless(result.err), line


@pytest.mark.slow
def test_a_text_with_many_lines_makes_no_more_records(world: Callable[[str], Ork]) -> None:
    ork = world("plain")
    counts = {line: len(ork(*line.split()).out.splitlines()) for line in LISTS}
    for folder in (".ork", "out", "../elsewhere"):
        shutil.rmtree(ork.folder / folder)
    ork = world(TEXTS["lines"])
    for line, count in counts.items():
        shown = ork(*line.split()).out.split("\n")
        # What a hook has printed has its lines, far from where anything else begins.
        records = [one for one in shown if not (line == "show etl#1" and one.startswith(" " * 12))]
        assert len(records) - 1 == count, line


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mixed", "bytes"])
def test_what_the_user_typed_is_quoted_harmlessly(name: str, world: Callable[[str], Ork]) -> None:
    text = "\udcff\udc9b31m" if name == "bytes" else TEXTS[name].replace("\0", "")
    ork = world("plain")
    for command in sampled([*COMMANDS]):
        for argv in (
            [text],
            [f"--{text}"],
            [f"etl:{text}"],
            [f"etl@{text}"],
            ["etl", text],
            [f"etl@{{{text}}}"],
            [f"{text}..etl"],
            ["git", text, "--path", text],
            ["etl", "--", text],
        ):
            for more in ([], ["--json"]):
                result = ork(command, *argv, *more)
                assert 0 <= result.code <= 5, (command, argv, result)
                assert harmless(result.out + result.err), (command, argv, result)
                assert f"\n{FORGED}" not in result.out + result.err, (command, argv, result)


NAMES = (
    TEXTS["controls"],
    TEXTS["lines"],
    TEXTS["markup"],
    "../../../../secret",
    "/etc/hostname",
    "a\0b",
    "",
    ".",
    "x" * 5000,
    "--json",
    ".run",
    "e" + "\u0301" * 5000,
)
ONE_BY_ONE = ("run etl~3", "retry etl#3", "retry etl#2", "export git repo etl", "logs etl#2")


@pytest.mark.slow
def test_names_that_another_program_wrote_are_refused_or_made_visible(
    ork: Ork, opened: Callable[[], Store]
) -> None:
    with_names(ork, opened, NAMES)
    hold_harmless(ork, [*cases(one_in=4), *reads("run etl~3", "retry etl#3")])


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
@pytest.mark.turns(3)
def test_a_name_of_a_task_that_is_none_is_refused_or_made_visible(
    name: str, ork: Ork, opened: Callable[[], Store]
) -> None:
    with_names(ork, opened, [name])
    hold_harmless(ork, reads(*ONE_BY_ONE))


def with_names(ork: Ork, opened: Callable[[], Store], names: Collection[str]) -> None:
    """Fill the store with tasks and tags of these names, and lay out logs that they may lead to."""
    assert ork("init").code == 0
    ork.write("secret.1.log", "TELL-TALE\n")
    for index in range(6):
        ork.write(f".ork/logs/{'d/' * index}secret.1.log", "TELL-TALE\n")
    store = opened()
    fill(store, "plain", load=names, words=[f"{name}2" for name in names])
    for name in names:
        label(store, name[:150])
    ork.write("file", "")


def hold_harmless(ork: Ork, found: Iterable[Case]) -> None:
    """Run each command line, also for JSON, and look at all it prints."""
    for argv, _ in found:
        for more in ([], ["--json"]):
            result = ork(*argv, *more)
            line = " ".join([*argv, *more])
            assert 0 <= result.code <= 5, (line, result)
            if not is_raw(line):
                assert harmless(result.out + result.err), (line, result)
            assert "TELL-TALE" not in result.out + result.err, line
            assert not forges(line, result.out + result.err), (line, result)


def label(store: Store, text: str) -> None:
    """Give the head of etl a tag with this label."""
    head = store.ref("workflows/etl")
    with store.transaction(Stamp(time=START, author="Ada", argv=("ork",))) as tx:
        tx.move(f"tags/etl/{text}", old=None, new=head)
