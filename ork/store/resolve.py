"""Finds what a revision means in this store: a deploy, a run, or another object.

Opens no workflow file: `ork.worktree.lookup` does, for whoever accepts file:PATH.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from functools import partial
from itertools import chain, islice, takewhile, zip_longest
from shlex import quote
from typing import ClassVar, TypeAlias

from ork.alike import meant_or_known
from ork.backends.address import ELSEWHERE, is_url
from ork.backends.base import Span
from ork.errors import Ambiguous, Corrupt, InvalidInput, NotFound, quoted, some
from ork.objects import tree
from ork.objects.canonical import Oid
from ork.objects.kinds import Deploy, Packed, Run, TaskRun, is_oid, kind_of, oid_of
from ork.objects.value import Value, replace
from ork.store import revision as grammar
from ork.store.revision import Revision
from ork.store.store import Store

NUMBER_DIGITS = 10  # in the name of a ref
REMOTES = "remotes/"
AGREED = "agreed/"
_HEX = "[0-9a-f]{4,64}"
_RUN_ID = r"[0-9]{8}T[0-9]{6}\.[0-9]{3}(?P<ending>-[0-9a-f]{6})"
RUNS_SEARCHED_MAX = 100  # of a workflow, for the outcome of a task that an oid names
_CANDIDATES_MAX = 10  # that an error names


class ResolvedDeploy(Value, frozen=True, kw_only=True):
    """A deploy that a revision led to."""

    kind: ClassVar[str] = "deploy"
    name: ClassVar[None] = None
    of: ClassVar[None] = None
    text: str
    oid: Oid
    workflow: str
    snapshot: Oid

    @property
    def deploy(self) -> Oid:
        """The same as `oid`."""
        return self.oid

    @property
    def revision(self) -> str:
        """The text that means it, also when heads have moved."""
        return self.oid

    def cells(self) -> dict[str, object]:
        return {"revision": self.text, "kind": self.kind, "oid": self.oid[:12]}


class ResolvedRun(Value, frozen=True, kw_only=True):
    """A run that a revision led to."""

    kind: ClassVar[str] = "run"
    name: ClassVar[None] = None
    of: ClassVar[None] = None
    text: str
    oid: Oid
    workflow: str
    snapshot: Oid
    deploy: Oid | None

    @property
    def revision(self) -> str:
        """The text that means this record of the run."""
        return self.oid

    def cells(self) -> dict[str, object]:
        return {"revision": self.text, "kind": self.kind, "oid": self.oid[:12]}


class ResolvedObject(Value, frozen=True, kw_only=True):
    """Any other object that a revision led to, and what it is a part of, if that is known.

    Of REV:NAME, `name` is that of a task or the path of a code file; of `REV:`, the text of the
    workflow file, it is "".
    """

    text: str
    oid: Oid
    kind: str
    name: str | None = None
    of: Resolved | None = None

    @property
    def workflow(self) -> str | None:
        """The workflow that it was found in."""
        return self.of.workflow if self.of else None

    @property
    def deploy(self) -> Oid | None:
        """The deploy that it was found in."""
        return self.of.deploy if self.of else None

    @property
    def snapshot(self) -> Oid | None:
        """The snapshot that it is, or was found in."""
        if self.kind == "snapshot":
            return self.oid
        return self.of.snapshot if self.of else None

    @property
    def revision(self) -> str:
        """The text that means it, also when heads have moved."""
        if self.of is None or self.name is None:
            return self.oid
        return f"{self.of.revision}:{self.name}"

    def cells(self) -> dict[str, object]:
        return {"revision": self.text, "kind": self.kind, "oid": self.oid[:12]}


Resolved: TypeAlias = ResolvedDeploy | ResolvedRun | ResolvedObject


def resolve(store: Store, text: str, *, now: datetime) -> Resolved:
    """Return what a revision means; raise NotFound or Ambiguous, with the candidates."""
    parsed = grammar.parse(text)
    if parsed.file is not None:
        raise NotFound(f"{text} is a file on disk; a revision is wanted here")
    found = _start(store, parsed, now)
    for _ in range(parsed.back):
        found = _parent(store, found, text)
    if parsed.peel == "snapshot":
        found = ResolvedObject(text=text, oid=snapshot_of(found), kind="snapshot", of=found)
    elif parsed.peel == "deploy":
        found = deploy_of(store, found)
    if parsed.path is not None:
        found = part_of(store, found, parsed.path)
    return replace(found, text=text)


def deploy_of(store: Store, found: Resolved, workflow: str | None = None) -> ResolvedDeploy:
    """Return the deploy that is meant: itself, a run's, or the newest one of a snapshot.

    Of a snapshot that several workflows have had: the newest one in the workflow that is given, or
    that a run or file belongs to, if there is one; else the newest of all.
    """
    if found.name is not None:  # what is asked for the whole must not take a part of it
        raise NotFound(f"{found.text} is {a_kind(found)}; a deploy or run is wanted here")
    oid = found.deploy or _newest_with(store, found.snapshot, workflow or found.workflow)
    if oid is None:
        raise NotFound(f"{found.text} is {a_kind(found)} that belongs to no deploy")
    own = found.workflow if oid == found.deploy else None
    return _deploy(store, oid, found.text, own)


def only_deploy_of(store: Store, found: Resolved, workflow: str | None = None) -> ResolvedDeploy:
    """Return the same, for what moves or runs something: raise Ambiguous where several are meant.

    These are the newest deploys of a snapshot in each workflow that has had it.
    """
    if found.kind == "snapshot" and not (workflow or found.workflow):
        its: dict[str, Oid] = {}
        for name, oid in store.refs("workflows/"):
            line = as_far_as_whole(_back(store, name, oid, is_head=True), [])
            its |= islice(((name, oid) for oid, it in line if it.snapshot == found.snapshot), 1)
        if len(its) > 1:
            lines = [f"{store.short(oid)}  {name}" for name, oid in its.items()]
            told = f"{found.text} is a version of several workflows: name the deploy of one"
            raise Ambiguous(told, candidates=lines)
    return deploy_of(store, found, workflow)


def deploy_in(
    store: Store, text: str, workflow: str | None, *, now: datetime
) -> tuple[Oid, Deploy]:
    """Return the deploy that a revision means; it must be one of the workflow, if one is given."""
    oid = only_deploy_of(store, resolve(store, text, now=now), workflow).oid
    deploy = store.get(Deploy, oid)
    foreign = workflow is not None and deploy.workflow != workflow
    if foreign and all(oid != one for one, _ in history(store, str(workflow))):
        raise InvalidInput(
            f"{text} is a deploy of {deploy.workflow}, not of {workflow}",
            hint=f"`ork log {workflow}` lists those of {workflow}",
        )
    return oid, deploy


def _newest_with(store: Store, snapshot: Oid | None, workflow: str | None) -> Oid | None:
    if snapshot is None:
        return None
    own = history(store, workflow) if workflow else ()
    deploys = chain(own, histories(store, dict(store.refs("workflows/"))))
    return next((oid for oid, deploy in deploys if deploy.snapshot == snapshot), None)


def snapshot_of(found: Resolved) -> Oid:
    """Return the snapshot of a deploy, run or snapshot."""
    if found.snapshot is None or found.name is not None:
        raise NotFound(f"{found.text} is {a_kind(found)}; a workflow, deploy or run is wanted here")
    return found.snapshot


def a_kind(found: Resolved) -> str:
    """Return the word for what was found, with its article."""
    words = {"taskrun": "a task of a run", "operation": "an operation"}
    return words.get(found.kind, f"a {found.kind}")


def run_of(found: Resolved) -> Oid | None:
    """Return the run that is meant, or in which the object was found."""
    while found.of is not None:
        found = found.of
    return found.oid if isinstance(found, ResolvedRun) else None


def workflows(store: Store) -> list[str]:
    """Return the names of all deployed workflows that are not archived, sorted."""
    return list(heads(store))


def heads(store: Store) -> dict[str, Oid]:
    """Return the heads of workflows that are not archived, by name."""
    every, put_away = all_heads(store)
    return {name: oid for name, oid in every.items() if name not in put_away}


def sources(store: Store) -> dict[str, str]:
    """Return what is deployed from which path, path -> name; none where some cannot be read."""
    with suppress(Corrupt):
        deploys = store.get_all(Deploy, heads(store))
        return {deploy.source.path: name for name, deploy in deploys.items()}
    return {}


def all_heads(store: Store) -> tuple[dict[str, Oid], set[str]]:
    """Return the heads of all workflows, by name, and the names of those that are archived."""
    found: dict[str, dict[str, Oid]] = {"workflows": {}, "archived": {}}
    for ref, oid in store.refs_many("", ("workflows/", "archived/")):  # together: one round trip
        space, _, name = ref.partition("/")
        found[space][name] = oid
    return found["workflows"], set(found["archived"])


def archived(store: Store) -> set[str]:
    """Return the names of the workflows that are archived."""
    return {name for name, _ in store.refs("archived/")}


def archived_ref(workflow: str) -> str:
    """Return the ref that is there while a workflow is archived."""
    return f"archived/{workflow}"


def remote_ref(remote: str, workflow: str) -> str:
    """Return the ref that remembers where the head of a workflow is in another store."""
    return f"{REMOTES}{remote}/{workflow}"


def agreed_ref(remote: str, tag: str) -> str:
    """Return the ref that remembers where a tag, etl/v1, was when another store had it alike."""
    return f"{AGREED}{remote}/{tag}"


def former_names(store: Store, workflow: str) -> dict[str, Deploy]:
    """Return the names that a workflow had before, each with the deploy that gave it the next."""
    found: dict[str, Deploy] = {}
    waiting = [workflow]
    while waiting:
        for name, oid in store.refs(f"former/{waiting.pop()}/"):
            if name != workflow and name not in found:
                found[name] = store.get(Deploy, oid)
                waiting.append(name)
    return found


def former_in(refs: Iterable[str], workflow: str) -> set[str]:
    """Return the names that a workflow had before, by some refs."""
    pairs = [ref.split("/")[1:] for ref in refs if ref.startswith("former/")]
    found = {workflow}
    while more := {before for name, before in pairs if name in found} - found:
        found |= more
    return found - {workflow}


def present_name(store: Store, workflow: str) -> str:
    """Return what a workflow is called now that had this name; the name itself if it is taken."""
    seen = {workflow}
    while store.ref(f"workflows/{workflow}") is None:
        became = [
            store.get(Deploy, oid)
            for names, oid in store.refs("former/")
            if names.partition("/")[2] == workflow
        ]
        newest = max(became, key=lambda deploy: deploy.time, default=None)
        if newest is None or newest.workflow in seen:
            break
        workflow = newest.workflow
        seen.add(workflow)
    return workflow


def head(store: Store, workflow: str) -> Oid:
    """Return the newest deploy of a workflow; raise NotFound with names that are near."""
    if oid := store.ref(f"workflows/{workflow}"):
        return oid
    raise _unknown(store, workflow)


def newest_deploy(store: Store, workflow: str) -> Deploy | None:
    """Return the newest deploy of a workflow; None of one that is not deployed."""
    oid = store.ref(f"workflows/{workflow}")
    return store.get(Deploy, oid) if oid else None


def history(store: Store, workflow: str, start: Oid | None = None) -> Iterator[tuple[Oid, Deploy]]:
    """Yield a workflow's deploys, newest first, by first parents. No recursion.

    It goes on under the names that the workflow had before. Raise Corrupt where a parent is
    missing, is of another workflow, or was there before.
    """
    head = store.ref(f"workflows/{workflow}") if start is None else None
    return _back(store, workflow, start or head, is_head=start is None)


def _back(
    store: Store, workflow: str, oid: Oid | None, *, is_head: bool
) -> Iterator[tuple[Oid, Deploy]]:
    seen: set[Oid] = set()
    after: Deploy | None = None
    while oid is not None:
        # A long history would drive everything else out of the cache.
        try:
            deploy = store.get(Deploy, oid, keep=False)
        except Corrupt as error:
            told = f"the history of {workflow} breaks off: {error.message}"
            raise Corrupt(told, hint=error.hint) from error
        first = not is_head or deploy.workflow == workflow
        if not (first if after is None else after.follows(deploy)):
            raise _foreign(workflow, oid, deploy)
        if oid in seen:  # a hash cannot contain itself, but a damaged store must not hang us
            raise Corrupt(f"the deploy {oid} of {workflow} is its own ancestor")
        seen.add(oid)
        yield oid, deploy
        after, oid = deploy, deploy.parents[0] if deploy.parents else None


def apart(store: Store, workflow: str, ours: Oid, theirs: Oid) -> tuple[int, int] | None:
    """Return how many deploys each of two lines has since the newest that both have, if one is."""
    lines = [history(store, workflow, start) for start in (ours, theirs)]
    seen: list[dict[Oid, int]] = [{}, {}]
    for pair in zip_longest(*lines):
        for own, other, entry in zip(seen, reversed(seen), pair, strict=True):
            if entry is None:
                continue
            own[entry[0]] = len(own)
            if entry[0] in other:
                return seen[0][entry[0]], seen[1][entry[0]]
    return None


def histories(
    store: Store, heads: Mapping[str, Oid], damage: list[Corrupt] | None = None
) -> Iterator[tuple[Oid, Deploy]]:
    """Yield the deploys of several workflows, given their heads, merged by time, newest first.

    With `damage` the others go on where one breaks off, which is added to it.
    """
    from heapq import merge

    with suppress(Corrupt):  # which is raised where it is reached
        store.get_all(Deploy, heads)  # together
    lines = (_back(store, name, oid, is_head=True) for name, oid in heads.items())
    if damage is not None:
        lines = (as_far_as_whole(line, damage) for line in lines)
    return merge(*lines, key=lambda entry: entry[1].time, reverse=True)


def as_far_as_whole(
    deploys: Iterator[tuple[Oid, Deploy]], damage: list[Corrupt]
) -> Iterator[tuple[Oid, Deploy]]:
    """Yield the same until one cannot be read, which is added to `damage`."""
    try:
        yield from deploys
    except Corrupt as error:
        damage.append(error)


def _foreign(workflow: str, oid: Oid, deploy: Deploy) -> Corrupt:
    return Corrupt(
        f"the history of {workflow} leads to {oid}, a deploy of {deploy.workflow}",
        hint="the store is damaged, or was written by another program",
    )


def run_of_number(store: Store, workflow: str, number: int) -> tuple[Oid, Run]:
    """Return the run WORKFLOW#NUMBER as it is now."""
    pin = store.ref(number_ref(workflow, number))
    if pin is None and (name := _name_then(store, workflow, number)):
        return run_of_number(store, name, number)
    if pin is None:
        from ork.store.operations import removed_in_words  # what only an error needs
        from ork.store.runs import runs

        now = present_name(store, workflow)
        names = (now, *former_names(store, now))
        newest = next(runs(store, now, limit=1), None) if has_run(store, now) else None
        hint = f"the newest is {newest.run.name}" if newest else "it has no runs"
        refs = (number_ref(name, number) for name in (workflow, *names))
        if removed := next(filter(None, (removed_in_words(store, ref) for ref in refs)), None):
            raise NotFound(f"{workflow}#{number} was {removed}", hint=hint)
        if newest is None and store.ref(f"workflows/{now}") is None:
            why = _unknown(store, workflow)
            raise NotFound(f"no run {workflow}#{number}: {why.message}", hint=why.hint)
        raise NotFound(f"no run {workflow}#{number}", hint=hint)
    return run_of_id(store, workflow, store.get(Run, pin).id)


def _name_then(store: Store, workflow: str, number: int) -> str | None:
    """Return another name of a workflow, under which the run of this number ran."""
    from ork.store.runs import Names  # what only a run of a former name needs

    known_as, now = Names(store), present_name(store, workflow)
    for name in known_as.names(now):
        pin = store.ref(number_ref(name, number))
        if pin is not None and known_as.has(now, store.get(Run, pin)):
            return name
    return None


def number_ref(workflow: str, number: int) -> str:
    """Return the ref that names a run by its number."""
    return f"numbers/{workflow}/{number:0{NUMBER_DIGITS}d}"


def spent_ref(workflow: str, number: int) -> str:
    """Return the ref that says of a number that no run gets it, though none has it."""
    return f"spent/{workflow}/{number:0{NUMBER_DIGITS}d}"


def next_number(store: Store, workflow: str) -> int:
    """Return the number of the next run of a workflow, which goes on counting after a rename."""
    names = (workflow, *former_names(store, workflow))
    return max(newest_number(store, name) for name in names) + 1


def newest_number(store: Store, workflow: str) -> int:
    """Return the newest number of a run under this name, be that lost; 0 when it had none."""
    return max(_highest(store, space, workflow) for space in ("numbers", "spent"))


def _highest(store: Store, space: str, workflow: str) -> int:
    for text, _ in store.refs(f"{space}/{workflow}/", newest_first=True):
        if not (text.isascii() and text.isdigit() and len(text) == NUMBER_DIGITS):
            raise Corrupt(f"{text!r} is no number of a run", hint="no ork wrote this store")
        return int(text)
    return 0


def run_of_id(store: Store, workflow: str, run_id: str) -> tuple[Oid, Run]:
    """Return the run with this id as it is now."""
    oid = run_ref(store, workflow, run_id)
    return oid, store.get(Run, oid)


def run_ref(store: Store, workflow: str, run_id: str) -> Oid:
    """Return where the ref of a run is now."""
    oid = store.ref(f"runs/{workflow}/{run_id}")
    if oid is None:
        raise NotFound(f"no run {run_id} of {workflow}")
    return oid


def _start(store: Store, parsed: Revision, now: datetime) -> Resolved:
    if parsed.run is not None:
        return _run_by_id(store, parsed.run)
    name = str(parsed.name)
    if parsed.remote is not None:
        return _fetched(store, parsed, parsed.remote, name)
    if "/" in name:
        raise _unknown(store, name)
    if is_only(store, name):
        name = only_workflow(store)
    if parsed.number is not None:
        oid, run = run_of_number(store, name, parsed.number)
        return resolved_run(oid, run, parsed.text)
    if parsed.tag is not None:
        tagged = store.ref(f"tags/{name}/{parsed.tag}")
        if tagged is None and store.ref(f"workflows/{name}") is None:
            raise _unknown(store, name)
        if tagged is None:
            labels = [label for label, _ in store.refs(f"tags/{name}/")]
            hint = f"it has none: `ork tag {parsed.tag} {name}` gives it this one"
            hint = f"its tags: {some(labels, _CANDIDATES_MAX)}" if labels else hint
            raise NotFound(f"{name} has no tag {parsed.tag!r}", hint=hint)
        return _deploy(store, tagged, parsed.text, name)
    if parsed.at == "good":
        return _deploy(store, _good(store, name), parsed.text, name)
    if parsed.at is not None:
        return _deploy(store, _at(store, name, parsed.at, now), parsed.text, name)
    head_oid = store.ref(f"workflows/{name}")
    # A whole oid always means its object, or no digits could make it differ from a workflow's name.
    if head_oid is not None and not (is_oid(name) and store.has(Oid(name))):
        return _deploy(store, head_oid, parsed.text)
    if re.fullmatch(_RUN_ID, name):
        return _run_by_id(store, name)
    return _by_prefix(store, name, parsed.text)


def _fetched(store: Store, parsed: Revision, remote: str, name: str) -> ResolvedDeploy:
    """Return the head that a workflow had in another store when that was last looked at."""
    base = f"{remote}/{name}"
    if parsed.number is not None or parsed.tag is not None or parsed.at is not None:
        hint = f"`ork pull {remote}` brings tags and runs, but no run whose number is taken here"
        if place := _place_of(store, remote):
            text = quote(parsed.text.removeprefix(f"{remote}/"))
            hint = f"`ork --store {quote(place)} show {text}` looks there; {hint}"
        raise NotFound(
            f"{parsed.text}: of {base} the head is known here, and what came before", hint=hint
        )
    if oid := store.ref(remote_ref(remote, name)):
        return _deploy(store, oid, parsed.text)
    from ork.store.suggestions import as_part  # what only an error needs

    known = [workflow for workflow, _ in store.refs(remote_ref(remote, ""))]
    if (not known and name.endswith(grammar.ENDINGS)) or as_part(store, base):
        raise _unknown(store, base)
    if not known:
        raise NotFound(
            f"{parsed.text!r} is not a revision: nothing was fetched from a remote {remote!r}",
            hint=f"{grammar.FORMS}; a code file is REV:{base}; `ork remote` lists remotes, and "
            "`ork fetch` looks at one",
        )
    raise NotFound(
        f"{remote} had no workflow {name!r} when it was last looked at",
        hint=meant_or_known(name, known),
    )


def _place_of(store: Store, remote: str) -> str | None:
    """Return where a remote is, for a hint; not a class of Python, which a file could name."""
    from ork.store.location import remotes  # what only an error needs

    place = remotes(store.folder).get(remote)
    is_class = place and is_url(place) and place.partition(":")[0] not in ELSEWHERE
    return None if is_class else place


def is_only(store: Store, name: str | None) -> bool:
    """Say whether a name means the only workflow: `@`, and HEAD where none is called so."""
    return name == "@" or (name == "HEAD" and store.ref("workflows/HEAD") is None)


def workflow_meant(store: Store, workflow: str) -> str:
    """Return the name of a workflow, which may be written as the only one there is."""
    return only_workflow(store) if is_only(store, workflow) else workflow


def only_workflow(store: Store) -> str:
    """Return the workflow that `@` means: the only one, else the only one with a file here."""
    names = workflows(store)
    meant = names if len(names) == 1 else _with_a_file_here(store)
    if len(meant) == 1:
        return meant[0]
    if not names:
        from ork.store.suggestions import nothing_deployed  # what only an error needs

        raise nothing_deployed(store)
    raise Ambiguous(
        "there are several workflows: name one",
        candidates=names,
        hint="without a name the only one is meant, else the only one with a file in this folder",
    )


def _with_a_file_here(store: Store) -> list[str]:
    """Return the workflows whose files lie in the folder where the user is."""
    if store.here is None:
        return []
    deploys = store.get_all(Deploy, heads(store))
    paths = {name: (store.project / one.source.path).resolve() for name, one in deploys.items()}
    return [name for name, path in paths.items() if path.parent == store.here and path.is_file()]


def _by_prefix(store: Store, name: str, text: str) -> Resolved:
    if not re.fullmatch(_HEX, name):
        raise _unknown(store, name)
    if is_oid(name) and not store.has(Oid(name)):
        return _in_a_run(store, Oid(name), text)
    try:
        oid = Oid(name) if is_oid(name) else store.find(name)
    except NotFound:
        raise _unknown(store, name) from None
    value = store.read(oid)
    if isinstance(value, Deploy):
        return _deploy(store, oid, text)
    if isinstance(value, Run):
        return resolved_run(oid, value, text)
    return ResolvedObject(text=text, oid=oid, kind=kind_of(value))


def _in_a_run(store: Store, oid: Oid, text: str) -> ResolvedObject:
    """Return the outcome of a task with this oid, which stands in a leaf of its run.

    `rev-parse` and `ls-tree` print such oids. Only the newest runs of each workflow are looked
    through: they have to be read for it, and what is not there may be nowhere.
    """
    for workflow in workflows_with_runs(store):
        newest = store.refs(f"runs/{workflow}/", newest_first=True)
        for _, run_oid in islice(newest, RUNS_SEARCHED_MAX):
            run = store.get(Run, run_oid, keep=False)
            for name, taskrun in tree.entries(store.tree, run.tasks).items() if run.tasks else ():
                if isinstance(taskrun, TaskRun) and oid_of(taskrun) == oid:
                    _hold(store, taskrun)
                    of = resolved_run(run_oid, run, text)
                    return ResolvedObject(text=text, oid=oid, kind="taskrun", name=name, of=of)
    raise NotFound(
        f"no object {oid}",
        hint=f"the outcome of a task in an older run than the newest {RUNS_SEARCHED_MAX} has a "
        "name of its own: NAME#NUMBER:TASK",
    )


def _deploy(store: Store, oid: Oid, text: str, workflow: str | None = None) -> ResolvedDeploy:
    """Return a deploy; the workflow in which it was found may have had another name then."""
    deploy = store.get(Deploy, oid)
    return ResolvedDeploy(
        text=text, oid=oid, workflow=workflow or deploy.workflow, snapshot=deploy.snapshot
    )


def resolved_run(oid: Oid, run: Run, text: str) -> ResolvedRun:
    """Return a run that has been read, as if a revision had led to it."""
    return ResolvedRun(
        text=text, oid=oid, workflow=run.workflow, snapshot=run.snapshot, deploy=run.deploy
    )


def _run_by_id(store: Store, prefix: str) -> ResolvedRun:
    names = workflows_with_runs(store)
    streams = store.abreast([Span(f"runs/{workflow}/{prefix}") for workflow in names])
    found = sorted(
        (workflow, prefix + rest, oid)
        for workflow, refs in zip(names, streams, strict=True)
        for rest, oid in islice(refs, _CANDIDATES_MAX)
    )
    found = found or list(_from_queue(store, prefix))
    if not found:
        raise NotFound(f"no run has an id that starts with {prefix!r}")
    if len(found) > 1:
        lines = [f"{run_id}  {workflow}" for workflow, run_id, _ in found[:_CANDIDATES_MAX]]
        raise Ambiguous(f"{prefix} is the start of several run ids", candidates=lines)
    _, run_id, oid = found[0]
    return resolved_run(oid, store.get(Run, oid), f"run:{run_id}")


def _from_queue(store: Store, text: str) -> Iterator[tuple[str, str, Oid]]:
    """Yield the run that waited for `ork up` under this id: it began later, and its id ends alike.

    Raise NotFound while it waits.
    """
    whole = re.fullmatch(_RUN_ID, text)
    if whole is None:
        return
    for workflow in store.folders("queue/"):
        if store.ref(f"queue/{workflow}/{text}"):
            hint = f"`ork watch {text}` waits for its begin; `ork cancel {text}` takes it back"
            raise NotFound(f"a run of {workflow} still waits for `ork up` as {text}", hint=hint)
    for workflow in workflows_with_runs(store):
        later = takewhile(
            lambda ref: ref[0] > text, store.refs(f"runs/{workflow}/", newest_first=True)
        )
        for run_id, oid in later:
            if run_id.endswith(whole["ending"]) and store.get(Run, oid).trigger == "queue":
                yield workflow, run_id, oid


def workflows_with_runs(store: Store) -> list[str]:
    """Return the names of workflows that have runs, also of those that were never deployed."""
    return sorted(store.folders("numbers/"))


def known_names(store: Store) -> set[str]:
    """Return the names of all workflows, deployed or not, by which they go now."""
    deployed = {name for name, _ in store.refs("workflows/")}
    others = set(workflows_with_runs(store)) - deployed
    return deployed | {present_name(store, name) for name in others}


def has_run(store: Store, workflow: str) -> bool:
    """Say whether a workflow, deployed or not, has any runs, under this or a former name."""
    names = (workflow, *former_names(store, workflow))
    return any(next(iter(store.refs(f"numbers/{name}/")), None) is not None for name in names)


def lacks_runs(store: Store, workflow: str) -> bool:
    """Say whether a workflow has had runs that are not here: removed, or not brought along."""
    names = (workflow, *former_names(store, workflow))
    here = {number for name in names for number, _ in store.refs(f"numbers/{name}/")}
    return len(here) + 1 < next_number(store, workflow)


def _parent(store: Store, found: Resolved, text: str) -> ResolvedDeploy:
    deploy = deploy_of(store, found)
    after = store.get(Deploy, deploy.oid)
    parents = after.parents
    if not parents:
        raise NotFound(
            f"{text}: the history does not reach that far back",
            hint=f"`ork log {deploy.workflow}` lists the deploys",
        )
    before = store.get(Deploy, parents[0])
    if not after.follows(before):
        raise _foreign(deploy.workflow, parents[0], before)
    return _deploy(store, parents[0], text, deploy.workflow)


def _at(store: Store, workflow: str, at: str, now: datetime) -> Oid:
    """Return what the head was N moves ago, or at a moment, by the log of operations."""
    from ork.store.operations import head_moves, was_collected

    back = int(at) if at.isascii() and at.isdigit() else None
    moment = None if back is not None else grammar.parse_moment(at, now, end_of_day=True)
    index = -1
    for index, (time, new) in enumerate(head_moves(store, workflow)):
        if index == back or (moment is not None and time <= moment):
            if new is not None and not store.has(new) and was_collected(store):
                for _ in history(store, workflow):
                    pass  # raises Corrupt if it is a part of that: then it was lost
                raise NotFound(
                    f"what {workflow}@{{{at}}} was is gone: it was undone, and `ork gc` removed it",
                    hint=f"`ork log {workflow}` lists what there is",
                )
            if new is not None:
                return new
            raise NotFound(
                f"{workflow} had no head at {workflow}@{{{at}}}: it was undone",
                hint="`ork ops` lists what moved it",
            )
    if index < 0:
        raise _unknown(store, workflow)
    if moment is not None:
        raise NotFound(
            f"{workflow} was not deployed yet at {at}", hint=f"its oldest is {workflow}@{{{index}}}"
        )
    often = "once" if back == 1 else f"{at} times"
    raise NotFound(
        f"{workflow} has not moved {often}", hint=f"its oldest is {workflow}@{{{index}}}"
    )


def _good(store: Store, workflow: str) -> Oid:
    """Return the newest deploy with a whole and untainted run that succeeded, and can run again."""
    from ork.store.contents import forgotten_part
    from ork.store.verdict import tally

    but = ""
    for oid, deploy in history(store, workflow, head(store, workflow)):
        if tally(store, oid).counts.get("success"):
            if not forgotten_part(store, deploy.snapshot):
                return oid
            but = ", but those of which a part was forgotten"
    raise NotFound(
        f"no deploy of {workflow} has a good run{but}",
        hint=f"one that succeeded, whole and untainted: `ork log {workflow}` shows how runs went",
    )


def part_of(store: Store, found: Resolved, name: str) -> ResolvedObject:
    """Return the task, task run, code file or text of the workflow file that REV:NAME means."""
    if name == "":
        return _text_of(store, found)
    snapshot = store.snapshot(snapshot_of(found))
    part = partial(ResolvedObject, text=found.text, name=name, of=found)
    if task := snapshot.tasks.get(name):
        if isinstance(found, ResolvedRun):
            return part(oid=_task_run(store, found, name), kind="taskrun")
        return part(oid=task, kind="task")
    if file := snapshot.files.get(name.removeprefix("./")):
        return part(oid=file.blob, kind="blob")
    hint = meant_or_known(name, [*snapshot.tasks, *snapshot.files])
    raise NotFound(
        f"{found.text.removesuffix(f':{name}')} has no task or code file {quoted(name)}", hint=hint
    )


def _text_of(store: Store, found: Resolved) -> ResolvedObject:
    """Return the text of a workflow file; of a large one, the tree of its chunks."""
    deploy = deploy_of(store, found)
    source = store.get(Deploy, deploy.oid).source
    kind = "blob" if source.blob else "tree"
    return ResolvedObject(text=found.text, oid=source.oid, kind=kind, name="", of=deploy)


def _task_run(store: Store, found: ResolvedRun, name: str) -> Oid:
    run = store.get(Run, found.oid)
    oid = store.ref(f"active/{run.id}/{name}") if run.ended is None else None
    if oid is None:  # the run has ended, perhaps since it was read, or began with it
        tasks = run_of_id(store, run.workflow, run.id)[1].tasks if run.ended is None else run.tasks
        taskrun = tree.lookup(store.tree, tasks, name) if tasks else None
        if isinstance(taskrun, TaskRun):
            oid = _hold(store, taskrun)
    if oid is None:
        raise NotFound(f"{found.text}: the task {name} has not started")
    return oid


def _hold(store: Store, taskrun: TaskRun) -> Oid:
    """Make an outcome that stands in a leaf of its run readable by an oid of its own."""
    found = Packed()
    oid = found.add(taskrun)
    store.hold(found)
    return oid


def _unknown(store: Store, name: str) -> NotFound:
    from ork.store.suggestions import unknown  # what only an error needs

    return unknown(store, name)
