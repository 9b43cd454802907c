"""Checks a store: the data file before it is opened, then refs and objects, as of one moment.

What is damaged can end the process that maps it, so all but the first is done in a process of its
own, which tells what it finds line by line. Nothing is written.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Literal, TypeAlias

from ork.backends import anchor
from ork.backends.base import object_count
from ork.errors import Corrupt, OrkError, OtherFormat, StoreError, count
from ork.objects.value import Value, as_line, of_line, replace
from ork.progress import counting
from ork.store import location
from ork.store.store import Store
from ork.upkeep.findings import Finding
from ork.upkeep.objects import BLOBS_TOGETHER, Objects
from ork.upkeep.refs import Refs

Depth: TypeAlias = Literal["quick", "default", "full"]
MODULE = "ork.upkeep.fsck"


class Counts(Value, frozen=True, kw_only=True):
    """How much was looked at so far, of `about` so many objects; `done` when that is all."""

    objects: int = 0
    about: int = 0
    refs: int = 0
    done: bool = False


class Examined(Value, frozen=True, kw_only=True):
    """What a check has found."""

    depth: Depth
    objects: int
    refs: int
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> int:
        """How many findings are errors; a store is whole when there is none."""
        return sum(finding.level == "error" for finding in self.findings)

    def cells(self) -> dict[str, object]:
        return {
            "errors": count(self.errors, "error") if self.errors else "whole",
            "objects": count(self.objects, "object"),
            "refs": count(self.refs, "ref"),
        }


class Told(Value, frozen=True, kw_only=True):
    """A line from the process that looks."""

    finding: Finding | None = None
    counts: Counts | None = None
    refused: tuple[str, str | None] | None = None  # why it was not looked at, and a hint


def fsck(
    folder: Path,
    *,
    environ: Mapping[str, str],
    depth: Depth = "default",
) -> Examined:
    """Check the store in a folder.

    Raise StoreError when it is none, or somebody else's, or of a format of another ork, or its
    server does not answer; NotFound where there is none in the place elsewhere that it names.
    """
    findings = []
    counts = Counts()
    for told in telling(look(folder, environ=environ, depth=depth)):
        if isinstance(told, Finding):
            findings.append(told)
        else:
            counts = told
    # Whoever reads looks at the worst first.
    findings.sort(key=lambda one: (one.code, one.ref or "", one.object or ""))
    return Examined(depth=depth, objects=counts.objects, refs=counts.refs, findings=tuple(findings))


def telling(found: Iterable[Finding | Counts]) -> Iterator[Finding | Counts]:
    """Yield what a check finds, and tell how far it has come."""
    with counting("checking objects", about=True) as tell:
        for one in found:
            if isinstance(one, Counts):
                tell(one.objects, one.about)
            yield one


def look(folder: Path, *, environ: Mapping[str, str], depth: Depth) -> Iterator[Finding | Counts]:
    """Yield what is wrong in a store as it is found, and how far the check has come."""
    if wrong := location.config_problem(folder, environ=environ):
        yield Finding(code="E004", message=f"{wrong}; nothing else was looked at")
        yield Counts(done=True)
        return
    location.check_there(folder, environ=environ)
    for problem in location.data_problems(folder, environ=environ, every_page=depth != "quick"):
        yield Finding(code="E001", message=problem)
    for part in location.lacking(folder, environ=environ):
        yield Finding(code="E005", message=f"there is no {part}")
    # By a pipe of its own: on standard output a `sitecustomize` may print before it.
    read, write = os.pipe()
    # -P: nothing is imported from the working directory.
    words = [sys.executable, "-P", "-X", "utf8", "-m", MODULE, str(folder), depth, str(write)]
    with (
        open(read, "rb") as lines,
        open(write, "wb") as end,
        subprocess.Popen(
            words, stdout=subprocess.DEVNULL, env=dict(environ), pass_fds=[write]
        ) as child,
    ):
        end.close()
        done = False
        try:
            for line in lines:
                told = of_line(line, Told)
                if told.refused is not None:
                    message, hint = told.refused
                    raise StoreError(message, hint=hint)
                if told.finding is not None:
                    yield told.finding
                if told.counts is not None:
                    done = told.counts.done
                    yield told.counts
        finally:
            child.kill()  # nothing to kill where all was read
    if not done:
        yield Finding(code="E002", message=f"reading it ended {_how(child.returncode)}")


def inspect(store: Store, *, depth: Depth) -> Iterator[Finding | Counts]:
    """Yield what is wrong in a store that is open, as of this moment."""
    told = None
    if store.folder and not store.shared:
        told = anchor.read(store.folder)  # before the store itself
    with store.backend.frozen() as still:
        now = Store(still, folder=store.folder, project=store.project, shared=store.shared)
        yield from _inspect(now, told, depth)


def _inspect(store: Store, told: anchor.Anchor | None, depth: Depth) -> Iterator[Finding | Counts]:
    found: list[Finding] = []
    refs = Refs(store, found.append)
    objects = Objects(
        store,
        found.append,
        quick=depth == "quick",
        blobs_together=BLOBS_TOGETHER if store.shared else 1,
    )
    ref_count, about = 0, object_count(store.backend)

    def so_far(*, done: bool = False) -> Iterator[Finding | Counts]:
        # Findings about objects wait until it is known what they affect.
        ready = [one for one in found if one.object is None or one.object not in objects.bad]
        found[:] = [one for one in found if one.object is not None and one.object in objects.bad]
        yield from ready
        yield Counts(objects=objects.checked, about=about, refs=ref_count, done=done)

    if store.folder is not None and not store.shared:
        found += _check_anchor(store, told)
    ref_count = sum(1 for _ in store.backend.survey())
    for _ in objects.check(refs.roots()):
        yield from so_far()
    for _ in refs.check(tallies=depth != "quick"):
        yield from so_far()
    for _ in objects.check_undo(refs.log()):
        yield from so_far()
    if depth == "full":
        for _ in objects.check_rest():
            yield from so_far()
    if objects.bad:
        affected = objects.affected(refs.named())
        found[:] = [
            replace(one, affects=affected.get(one.object, ())) if one.object else one
            for one in found
        ]
        yield from found
        found.clear()
    yield from so_far(done=True)


def _check_anchor(store: Store, told: anchor.Anchor | None) -> Iterator[Finding]:
    assert store.folder is not None
    if told is None:
        if store.ref("ops") is not None:
            message = "there is no anchor: a store that goes back would not be noticed"
            yield Finding(code="W302", message=message)
    else:
        try:
            loss = location.lost(store, told)
        except Corrupt:  # the log cannot be read, which is told of by itself
            loss = None
        if loss:
            yield Finding(code="E301", message=loss)
    if torn := anchor.torn(store.folder):
        yield Finding(code="W303", message=f"{torn} records of the anchor are damaged")


def _how(code: int) -> str:
    if code < 0:
        return f"the process by {signal.Signals(-code).name}"
    return f"with code {code}"


def main(folder: Path, depth: Depth, out: BinaryIO) -> None:
    """Look at a store and tell what is found, line by line: the process of its own."""
    tell = out.write
    try:
        store = location.open_unchecked(folder, environ=os.environ, readonly=True)
        for told in inspect(store, depth=depth):
            if isinstance(told, Finding):
                tell(as_line(Told(finding=told)))
            else:
                tell(as_line(Told(counts=told)))
                out.flush()
    except OtherFormat as error:
        tell(as_line(Told(refused=(error.message, error.hint))))
    except OrkError as error:
        tell(as_line(Told(finding=Finding(code="E003", message=error.message))))
        tell(as_line(Told(counts=Counts(done=True))))


if __name__ == "__main__":
    with open(int(sys.argv[3]), "wb") as told_by:
        main(Path(sys.argv[1]), sys.argv[2], told_by)  # type: ignore[arg-type]
