"""ork bundle: histories in one file, to be carried to another store."""

import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from ork.cli.options import Json, runs_of
from ork.cli.screen import human
from ork.cli.screen.human import count
from ork.cli.screen.line import Line, hint_line, next_line, note_line
from ork.cli.screen.parts import left_line, quoted
from ork.cli.session import Session
from ork.errors import InvalidInput, UsageError, some
from ork.objects.kinds import Deploy

if TYPE_CHECKING:
    from ork.objects.canonical import Oid
    from ork.store.store import Store
    from ork.sync.bundle import Bundle, Size
    from ork.sync.receive import Received
    from ork.sync.select import Wish

OID_DIGITS = 12
NAMES_MAX = 5  # of runs that were left out
NUMBER = re.compile(r"\d{10}", re.ASCII)
ACTIONS = ("create", "verify", "list")


def bundle(
    ctx: typer.Context,
    action: Annotated[str, typer.Argument(metavar="create|verify|list", help="What to do.")],
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="The bundle; - is standard output or input.")
    ],
    revisions: Annotated[
        list[str] | None,
        typer.Argument(metavar="[REVISION]...", help="Workflows, deploys or runs to put in."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Put all workflows in.")] = False,
    known: Annotated[
        list[str] | None,
        typer.Option(
            "--since", metavar="REV", help="Leave out what this deploy needs: the receiver has it."
        ),
    ] = None,
    runs: Annotated[
        str, typer.Option(metavar="N|all|none", help="The newest runs of each workflow to put in.")
    ] = "none",
    tags: Annotated[
        bool, typer.Option("--tags/--no-tags", help="Put the tags of these deploys in.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Put histories into one file, or look into it.

    create puts workflows in: each with its whole history up to the revision, and the tags on it;
    with --runs also its newest runs, their outputs and logs. A run that is named goes in by itself.
    The file takes its place when it is complete. verify checks all of a bundle as an import would,
    with the store that is here, if there is one. list tells what is in it. `ork import bundle`
    takes it in. Of a backup in a file (`ork backup`) verify checks all as `ork fsck` would.

    \b
    Example:
        ork bundle create ../etl.bundle etl
        ork bundle verify ../etl.bundle
        ork bundle list ../etl.bundle
    """
    session: Session = ctx.obj
    if action not in ACTIONS:
        raise UsageError(f"{action!r}: say create, verify or list")
    if action == "create":
        if bool(revisions) == everything:
            raise UsageError(
                "name what goes in, or say --all", hint="as in `ork bundle create etl.bundle etl`"
            )
        from ork.sync.select import Wish

        wish = Wish(
            revisions=tuple(revisions or ()),
            all=everything,
            since=tuple(known or ()),
            runs=runs_of(runs),
            tags=tags,
        )
        _create(session, file, wish, as_json)
        return
    if revisions or everything or known or runs != "none" or not tags:
        raise UsageError(f"{action} takes a file, nothing else")
    (_verify if action == "verify" else _list)(session, file, as_json)


def _create(session: Session, file: str, wish: "Wish", as_json: bool) -> None:
    from ork.sync.bundle import STANDARD
    from ork.sync.select import create

    if file == STANDARD and (as_json or sys.stdout.isatty()):
        raise UsageError("a bundle goes to a pipe or into a file, without --json")
    sys.stdout.flush()
    target = sys.stdout.buffer if file == STANDARD else Path(file)
    done = create(session.store, wish, target, now=session.now())
    for name in done.going_on:
        session.say(note_line(f"{name} was left out: it has not ended"))
    if as_json:
        session.print_json("bundle", done)
    if as_json or done.size is None:
        return
    session.print([[quoted(file), ": ", *_size(done.size)]])
    session.say(
        next_line(f"where the other store is, there `ork import bundle {quote(file)}` takes it in")
    )


def _verify(session: Session, file: str, as_json: bool) -> None:
    from ork.sync.backup import check_file
    from ork.sync.bundle import BACKUP, BUNDLE, open_bundle
    from ork.sync.receive import check

    with open_bundle(file, (BUNDLE, BACKUP)) as found:
        if found.form == BACKUP:
            check_file(found)
        else:
            check(found, session.store if session.has_store() else None)
        if as_json:
            session.print_json("bundle-verify", {"size": found.size, "needs": found.needs})
        else:
            session.print([[("whole", "success"), ": ", *_size(found.size)]])


def _list(session: Session, file: str, as_json: bool) -> None:
    from ork.sync.bundle import BACKUP, BUNDLE, open_bundle

    with open_bundle(file, (BUNDLE, BACKUP)) as found:
        if as_json:
            refs = [{"ref": ref, "oid": oid} for ref, oid in found.refs.items()]
            value = {"size": found.size, "needs": found.needs, "refs": refs}
            session.print_json("bundle-list", value | {"logs": tuple(found.logs)})
        else:
            session.print(_contents(found), page=True)


def _contents(found: "Bundle") -> Iterator[Line]:
    yield from _refs_lines((_told(found, ref, oid) for ref, oid in found.refs.items()), found.refs)
    for oid in found.needs:
        yield ["needs     ", (oid, "oid")]
    yield _size(found.size)


def _told(found: "Bundle", ref: str, oid: "Oid") -> tuple[str, str, str]:
    """Return a ref as `ork log` tells of its deploy, by snapshot and message, if that is there."""
    if ref.startswith(("workflows/", "tags/")) and oid in found:
        with suppress(InvalidInput):  # what is damaged, or was forgotten
            deploy = found.get(Deploy, oid)
            return ref, deploy.snapshot, deploy.message.partition("\n")[0]
    return ref, oid, ""


def received_lines(done: "Received", refs: Mapping[str, str], arrived: "Store") -> Iterator[Line]:
    """Yield what an import has brought, or would bring, of the refs of a bundle.

    Deploys are told by their snapshots, as in a push.
    """

    def shown(ref: str, oid: "Oid") -> "Oid":
        return oid if ref.startswith("runs/") else arrived.get(Deploy, oid, keep=False).snapshot

    forced = {f"workflows/{workflow}": "forced: " for workflow, _ in done.left}
    moves = [
        (ref, shown(ref, new), forced.get(ref, "") + _from(ref, shown(ref, old)) if old else "new")
        for ref, old, new in done.moves
    ]
    yield from _refs_lines(moves, refs)
    if not moves:
        yield ["nothing new"]
        return
    spaces = Counter(ref.partition("/")[0] for ref, _, _ in moves)
    yield [_counted(spaces["workflows"], spaces["tags"], spaces["runs"], done.objects, done.logs)]


def left_out_lines(done: "Received", name: str, apart: str) -> Iterator[Line]:
    """Yield what an import has left out, or lost, and why.

    `apart` is what to type to have the bundle in a store of its own, called `look`.
    """
    error = ("error: ", "error")
    for workflow, number in done.left:
        yield left_line(workflow, number, "this store", done.left_tags.get(workflow, ()))
    for workflow in done.further:
        yield note_line(f"{workflow}: this store is further than {quoted(name)}")
    for run in done.missing_logs:
        yield note_line(f"the bundle has no log of {run}")
    for run in done.removed:
        yield note_line(f"{run} was left out: `ork gc` has removed the run of this number here")
    for run in done.replaced:
        yield note_line(f"{run} was retried in this store as well: nothing stays of that retry")
    reasons = (
        (done.other, "this store has its own by that name"),
        (done.retried, "retried here as well"),
        (done.going_on, "going on here"),
    )
    for runs, why in reasons:
        if runs:
            many = count(len(runs), "run")
            yield [error, f"{many} left out ({some(runs, NAMES_MAX)}), {why}"]
    if done.retried:
        yield hint_line("--force takes the retry of the bundle, and nothing stays of the one here")
    if done.refused and apart:
        show = f"`ork --store look/.ork show {done.refused[0]}`"
        yield hint_line(f"{apart} take it in elsewhere, {show} shows that of the bundle then")


def _from(ref: str, old: str) -> str:
    return "went on" if ref.startswith("runs/") else f"from {old[:OID_DIGITS]}"


def _refs_lines(moves: Iterable[tuple[str, str, str]], refs: Mapping[str, str]) -> Iterator[Line]:
    """Yield a line for each workflow and tag among some refs, and one for the runs of a workflow.

    With each ref comes its oid, and a word that is to be told; `refs` are all that there are.
    """
    numbers = _numbers(refs)
    runs: dict[tuple[str, str], list[int]] = {}
    for ref, oid, word in moves:
        space, _, name = ref.partition("/")
        if ref in numbers:
            runs.setdefault((name.partition("/")[0], word), []).append(numbers[ref])
        elif space in ("workflows", "tags", "runs"):
            shown = name.replace("/", "@", 1) if space == "tags" else name
            yield _ref_line(space[:-1], [(oid[:OID_DIGITS], "oid"), "  "], shown, word)
    for (workflow, word), known in runs.items():
        kind = "run" if len(known) == 1 else "runs"
        yield _ref_line(kind, [], f"{workflow}{human.numbers(known)}", word)


def _ref_line(kind: str, oid: Line, name: str, word: str) -> Line:
    return [f"{kind:<8}  ", *oid, (quoted(name), "name"), f"  {word}" if word else ""]


def _numbers(refs: Mapping[str, str]) -> dict[str, int]:
    """Return the numbers of runs by the ref of each: its number and its id lead to one pin."""
    numbers = {pin: ref for ref, pin in refs.items() if ref.startswith("numbers/")}
    found = {}
    for ref, pin in refs.items():
        space, _, rest = ref.partition("/")
        text = numbers.get(pin, "").rpartition("/")[2]
        if space == "ran" and NUMBER.fullmatch(text):
            found[f"runs/{rest.partition('/')[2]}"] = int(text)
    return found


def _size(found: "Size") -> Line:
    counts = (found.workflows, found.tags, found.runs, found.objects, found.logs)
    return [f"{_counted(*counts)}, {found.bytes:,} bytes"]


def _counted(workflows: int, tags: int, runs: int, objects: int, logs: int) -> str:
    named = ((workflows, "workflow"), (tags, "tag"), (runs, "run"))
    some = [count(number, noun) for number, noun in named if number]
    return ", ".join([*some, count(objects, "object"), count(logs, "log")])
