"""Import: deploys from the first-parent history of a git repository that holds workflow files.

All deploys of all workflows come into the store in one write, or none. Which commits a workflow has
already is told by its own history, so importing again adds only what is new.
"""

from __future__ import annotations

import os
import posixpath
from bisect import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ork.definition.secrets import find_secrets
from ork.differences.definitions import summarize
from ork.errors import Conflict, InvalidInput, NotFound, Problem, StoreError, count, some
from ork.git.binary import Blobs, Git, blobs, find_repository
from ork.git.commit import Commit, place_of, read_commit
from ork.git.history import Names, Step, changes, chosen, first_parents, follow, is_shallow
from ork.git.versions import Skipped, Version, Versions
from ork.heads.rename import along, at_work
from ork.history.compare import compare_with_loaded
from ork.objects.canonical import Oid
from ork.objects.kinds import Deploy, Origin, Packed, is_name
from ork.objects.rows import name_of
from ork.objects.text import split_text
from ork.objects.value import Value, replace
from ork.progress import counted
from ork.store.resolve import history
from ork.store.store import Stamp, Store
from ork.worktree.load import Loaded

BRANCHES_SHOWN_MAX = 10
ENDS_SHOWN_MAX = 5  # of workflows that an error tells of
COMMIT_BYTES_MAX = 16 * 1024 * 1024


class NewDeploy(Value, frozen=True, kw_only=True):
    """A deploy that an import added, and the commit that it came from."""

    commit: str
    deploy: Oid
    snapshot: Oid
    message: str


class ImportedWorkflow(Value, frozen=True, kw_only=True):
    """The deploys that an import added to one workflow, oldest first; none if it was up to date.

    `tags` are the labels of git tags that came with them; `was` are names that it has given up.
    """

    workflow: str
    path: str
    deploy: Oid | None
    parent: Oid | None
    added: tuple[NewDeploy, ...]
    tags: tuple[str, ...] = ()
    was: tuple[str, ...] = ()


class Imported(Value, frozen=True, kw_only=True):
    """The result of an import; `commits` counts those of the history, by first parents.

    `left` are git tags that are on none of these, or on a version that was skipped, or have names
    that no tag of ork can have.
    """

    repository: str
    commit: str
    commits: int
    shallow: bool
    workflows: tuple[ImportedWorkflow, ...]
    skipped: tuple[Skipped, ...]
    left: tuple[str, ...] = ()

    def cells(self) -> dict[str, object]:
        return {
            "repository": self.repository,
            "commits": count(self.commits, "commit"),
            "added": count(sum(len(one.added) for one in self.workflows), "deploy"),
            "workflows": some([one.workflow for one in self.workflows], 3),
            "skipped": f"{len(self.skipped)} skipped" if self.skipped else None,
        }


class Source(Value, frozen=True, kw_only=True):
    """The files of a git repository that are to be imported, and the commits to go through."""

    repository: Path
    git: Git
    tip: str
    steps: tuple[Step, ...]
    names: tuple[Names, ...]


def import_git(
    store: Store,
    repository: Path,
    path: str,
    *,
    stamp: Stamp,
    branch: str | None = None,
    allow_secret: bool = False,
    force: bool = False,
) -> Imported:
    """Make deploys of the versions that a git repository has of a workflow file, or of several.

    `path` is a file or a pattern, relative to `repository`. Each commit, by first parents, at which
    the definition, its code or its settings changed becomes a deploy with the author, date and
    message of the commit. A git tag becomes a tag of the new deploy that was newest at its commit.
    Where the file got another `name:`, the workflow gets that name, as by `ork mv`.
    Versions that could not be deployed are skipped and told of. Commits that a workflow has already
    are left out, with their tags; raises InvalidInput when it has deploys, but none of these.
    Raises Conflict when something else was deployed here since the newest of these that it has, and
    git has no such version; with `force` what git has comes on top of it.
    """
    source = look_up(repository, path, branch=branch)
    return import_source(store, source, stamp=stamp, allow_secret=allow_secret, force=force)


def look_up(repository: Path, path: str, *, branch: str | None = None) -> Source:
    """Find a repository, its commits and the files that a path or pattern means."""
    git, below = find_repository(repository)
    tip = _tip(git, branch)
    steps = first_parents(git, tip)
    files = chosen(git, tip, _inside(git, below, path))
    return Source(
        repository=repository,
        git=git,
        tip=tip,
        steps=tuple(steps),
        names=tuple(follow(git, steps, one) for one in files),
    )


def import_source(
    store: Store,
    source: Source,
    *,
    stamp: Stamp,
    allow_secret: bool = False,
    force: bool = False,
) -> Imported:
    """Import what was looked up: see `import_git`."""
    git, names = source.git, source.names
    numbers = {commit: number for number, (commit, _) in enumerate(source.steps)}
    with blobs(git) as objects:
        known = _Known(store, objects, numbers)
        its = [known.of_file({_recorded(store, git, one) for one in name.all}) for name in names]
        after = [max((one.number for one in found.values()), default=-1) for found in its]
        versions = Versions(objects, names, after)
        lines = _Lines(store, git, objects, versions, known, allow_secret=allow_secret)
        steps = changes(git, source.steps)
        for commit, changed in counted("reading commits", steps, len(source.steps)):
            for found in versions.of(numbers[commit], commit, changed) if changed else ():
                lines.take(found, numbers[commit])
            if not changed:
                lines.rename(commit, numbers[commit])
        tags, left = _tags(git, numbers)
        if not force:
            lines.refuse_apart(source.repository)
    shallow = is_shallow(git)
    workflows, on_skipped = lines.write(stamp, tags)
    return Imported(
        repository=str(source.repository),
        commit=source.tip,
        commits=len(numbers),
        shallow=shallow,
        workflows=workflows,
        skipped=tuple(lines.skipped),
        left=tuple(sorted(left | on_skipped)),
    )


class _Newest(NamedTuple):
    """The newest commit that a workflow has, by its number, and the deploy of it."""

    number: int
    deploy: Deploy


class _Known:
    """Knows which commits the workflows of a store have already."""

    def __init__(self, store: Store, blobs: Blobs, numbers: Mapping[str, int]) -> None:
        self._store, self._blobs, self._numbers = store, blobs, numbers
        self._exported: dict[Oid, int] | None = None

    def of_file(self, paths: set[str]) -> dict[str, _Newest]:
        """Return the workflows of a file that have some of these commits, and the newest."""
        heads = self._store.get_all(Deploy, dict(self._store.refs("workflows/")))
        names = (name for name, head in heads.items() if head.source.path in paths)
        return {name: newest for name in names if (newest := self.newest(name))}

    def of_workflow(self, name: str) -> _Newest | None:
        """Return the newest commit that a workflow has; None when it has no deploys.

        Raise InvalidInput when it has deploys, but an import could not go on from them.
        """
        if self._store.ref(f"workflows/{name}") is None:
            return None
        newest = self.newest(name)
        if newest is not None:
            return newest
        origins = (
            deploy.origin for _, deploy in history(self._store, name) if deploy.action == "import"
        )
        if last := next(origins, None):
            raise InvalidInput(
                f"{name} was imported up to commit {last.commit[:12]}, which is not in "
                "this history",
                hint="was the history rewritten, or is another repository or --branch meant?",
            )
        raise InvalidInput(
            f"{name} has a history of its own, which has none of these commits",
            hint="import into a store without this workflow: `ork --store FOLDER import ...`",
        )

    def of_deploy(self, head: Oid, exported: Oid) -> tuple[Oid, Deploy] | None:
        """Return what an exported deploy is in the history that ends with a head."""
        number = self._of_deploys().get(exported)
        for oid, deploy in history(self._store, self._store.get(Deploy, head).workflow, head):
            commit = deploy.origin.commit if deploy.origin and not deploy.origin.dirty else None
            if oid == exported or (commit and self._numbers.get(commit, -1) == number):
                return oid, deploy
        return None

    def newest(self, name: str) -> _Newest | None:
        """Return the newest commit that a workflow has; None when it has none of these."""
        for oid, deploy in history(self._store, name):
            origin = deploy.origin
            if origin and not origin.dirty and origin.commit in self._numbers:
                return _Newest(self._numbers[origin.commit], deploy)
            if oid in self._of_deploys():
                return _Newest(self._of_deploys()[oid], deploy)
            if deploy.action == "import" or (deploy.restores and origin):
                return None
        return None

    def _of_deploys(self) -> dict[Oid, int]:
        """Return the deploys that these commits were exported from."""
        if self._exported is None:
            self._exported = {}
            for commit, number in self._numbers.items():
                deploy = _commit(self._blobs, commit).deploy
                if deploy is not None:
                    self._exported[deploy] = number
        return self._exported


@dataclass(slots=True)
class _Line:
    """The history of one workflow as it grows."""

    workflow: str
    file: int
    path: str
    parent: Oid | None
    after: int
    head: Oid | None
    newest: Deploy | None
    ours: Deploy | None  # that of `parent`
    base: Deploy | None  # of the newest commit that it had
    is_met: bool = False  # whether a new commit has the content of `ours`
    added: list[NewDeploy] = field(default_factory=list)
    # Of the versions looked at, by the number of the commit: what was the newest of `added` then.
    newest_at: dict[int, Oid] = field(default_factory=dict)
    there: Oid | None = None  # the head that the store has by this name
    renames: list[tuple[str, str, Oid]] = field(default_factory=list)  # from, to, the deploy
    gone: dict[str, Oid | None] = field(default_factory=dict)  # former names, with such heads
    exported: dict[Oid, tuple[Oid, Deploy]] = field(default_factory=dict)  # what they are here

    def lacks(self, found: Version) -> bool:
        """Say whether a version differs from the newest deploy, or its file has another name."""
        same = self.newest and found.loaded.is_as(self.newest)
        return not same or found.path != self.path

    def is_at_base(self, found: Version) -> bool:
        """Say whether a version is as in the newest commit that the workflow had."""
        same = self.base and found.loaded.is_as(self.base)
        return bool(same) and found.path == self.path

    def is_apart(self) -> bool:
        """Say whether what is new would take back something that no commit has."""
        ours, base = self.ours, self.base
        same = ours and base and base.has(ours.snapshot, ours.settings)
        return bool(self.added and ours and not same and not self.is_met)

    def note(self, oid: str, number: int, commit: Commit) -> None:
        """Note which commit the newest deploy came from."""
        assert self.head is not None and self.newest is not None
        self.newest_at[number] = self.head
        self.added.append(
            NewDeploy(
                commit=oid,
                deploy=self.head,
                message=self.newest.message,
                snapshot=self.newest.snapshot,
            )
        )
        if commit.deploy is not None:
            self.exported[commit.deploy] = self.head, self.newest


class _Lines:
    """The deploys to be added, workflow by workflow, with all their objects."""

    def __init__(
        self,
        store: Store,
        git: Git,
        blobs: Blobs,
        versions: Versions,
        known: _Known,
        *,
        allow_secret: bool,
    ) -> None:
        self._store, self._git, self._blobs = store, git, blobs
        self._versions, self._known = versions, known
        self._allow_secret = allow_secret
        self._lines: dict[str, _Line] = {}
        self._objects = Packed()
        self.skipped: list[Skipped] = []
        self._skips: dict[int, list[int]] = {}  # of a file: the commits at which it was skipped

    def take(self, found: Version | Skipped, number: int) -> None:
        """Append a version to its workflow, if it is new there and may be kept."""
        if isinstance(found, Skipped):
            self.skipped.append(found)
            file = self._versions.file_at(found.path, number)
            assert file is not None
            self._skips.setdefault(file, []).append(number)
            return
        commit = _commit(self._blobs, found.commit)
        name = found.loaded.definition.name
        if commit.file is not None and place_of(commit.file) == found.path and commit.restores:
            name = commit.workflow or name  # its file may have a name that it had before
        line = self._line(name, found.file, found.path)
        before = self._former(name, found.file, found.path)
        if line.file != found.file:
            self._skip(found, number, f"it is named {line.workflow}, as {line.path} is")
            return
        if number <= line.after:
            return
        if not (before or line.added or line.is_met) and line.is_at_base(found):
            return  # whatever was deployed here since
        line.is_met = line.is_met or (line.ours is not None and found.loaded.is_as(line.ours))
        if before or line.lacks(found):
            if not self._may_be_kept(found, number, commit):
                return
            if before:
                self._rename(before, line, commit)
            self._append(line, found, commit)
            line.note(found.commit, number, commit)
        elif line.added:
            line.newest_at[number] = line.added[-1].deploy

    def rename(self, oid: str, number: int) -> None:
        """Give a workflow the name that `ork mv` gave it, where its file had the former name still.

        So an export changes no file in that commit.
        """
        commit = _commit(self._blobs, oid)
        name, path = commit.workflow, commit.file and place_of(commit.file)
        file = self._versions.file_at(path, number) if path else None
        if name is None or path is None or file is None:
            return
        line = self._line(name, file, path)
        if before := self._former(name, file, path):
            self._rename(before, line, commit, Origin(commit=oid, dirty=False))
            line.note(oid, number, commit)

    def refuse_apart(self, repository: Path) -> None:
        """Raise Conflict where a new version would take back what was deployed here meanwhile."""
        apart = [line for line in self._lines.values() if line.is_apart()]
        if not apart:
            return
        names = some([line.workflow for line in apart], ENDS_SHOWN_MAX)
        told = [f"{names}: this store and {repository} went different ways; nothing was imported"]
        for line in apart[:ENDS_SHOWN_MAX]:
            ours, newest = line.ours, line.added[-1]
            assert ours is not None
            author = _commit(self._blobs, newest.commit).author
            for end, oid, who, message in (
                ("here", self._store.short(ours.snapshot), ours.author, ours.message),
                (f"in {repository}", newest.commit[:12], author, newest.message),
            ):
                first = message.partition("\n")[0]
                told.append(f"{line.workflow} {end}: {oid}  {name_of(who)}  {first}")
        name, new = apart[0].workflow, len(apart[0].added)
        raise Conflict(
            "\n".join(told),
            hint="to keep both, commit there what was deployed here; or --force puts what is there"
            f" on top: `ork diff {name}~{new} {name}` shows then what that takes back, and"
            " `ork undo` gives it back",
        )

    def write(
        self, stamp: Stamp, tags: Mapping[str, int]
    ) -> tuple[tuple[ImportedWorkflow, ...], set[str]]:
        """Store everything, or nothing. A tag that a workflow has already stays where it is.

        Return also the tags that are on a version which was skipped.
        """
        given: dict[str, list[str]] = {name: [] for name in self._lines}
        on_skipped = set[str]()
        with self._store.transaction(stamp) as tx:
            for line in self._lines.values():
                if line.added:
                    tx.move(f"workflows/{line.workflow}", old=line.there, new=line.head)
                for old, new, deploy in line.renames:
                    ref = f"former/{new}/{old}"
                    tx.move(ref, old=self._store.ref(ref), new=deploy)
                olds = [old for old in line.gone if line.gone[old] and old != line.workflow]
                for old in olds:
                    if busy := at_work(self._store, old):
                        raise busy
                    if old not in self._lines:
                        tx.move(f"workflows/{old}", old=line.gone[old], new=None)
                its = along(self._store, olds, line.workflow) if olds else {}
                for ref, (before, after) in its.items():
                    if before != after or ref not in tx.moves:  # a name that another has by now
                        tx.move(ref, old=before, new=after)
                at = dict.fromkeys(self._skips.get(line.file, ())) | line.newest_at
                versions = sorted(at)
                for label, number in tags.items():
                    ref, found = f"tags/{line.workflow}/{label}", bisect(versions, number)
                    if not found or self._store.ref(ref) is not None:
                        continue
                    oid = at[versions[found - 1]]
                    if oid is None:
                        on_skipped.add(label)
                    else:
                        tx.move(ref, old=None, new=oid)
                        given[line.workflow].append(label)
            if tx.moves:
                tx.add_all(self._objects)
        imported = tuple(
            ImportedWorkflow(
                workflow=name,
                path=line.path,
                deploy=line.head,
                parent=line.parent,
                added=tuple(line.added),
                tags=tuple(given[name]),
                was=tuple(sorted(line.gone.keys() - {line.workflow})),
            )
            for name, line in sorted(self._lines.items())
        )
        return imported, on_skipped

    def _line(self, name: str, file: int, path: str) -> _Line:
        if name not in self._lines:
            there = self._store.ref(f"workflows/{name}")
            is_free = any(name in line.gone for line in self._lines.values())
            head = None if is_free else there
            known = None if is_free else self._known.of_workflow(name)
            self._lines[name] = _Line(
                workflow=name,
                file=file,
                path=self._versions.path_before(file) if head else path,
                parent=head,
                after=known.number if known else -1,
                head=head,
                newest=(ours := self._store.get(Deploy, head) if head else None),
                ours=ours,
                base=known.deploy if known else None,
                there=there,
            )
        return self._lines[name]

    def _former(self, name: str, file: int, path: str) -> _Line | None:
        """Return the workflow that the file was until now, if it has another name by now."""
        if self._lines[name].head is not None:
            return None
        others = [line for line in self._lines.values() if line.workflow != name]
        before = next((line for line in others if line.file == file and line.head), None)
        paths = {path, self._versions.path_before(file)}
        recorded = {_recorded(self._store, self._git, one) for one in paths}
        known_of = {} if before else self._known.of_file(recorded)
        old, known = next(iter(known_of.items()), ("", None))
        if known is not None and old not in self._lines:
            head, base = self._store.ref(f"workflows/{old}"), known.deploy
            assert head is not None
            newest = self._store.get(Deploy, head)
            before = _Line(old, file, path, head, -1, head, newest, newest, base, there=head)
        return before

    def _rename(
        self, before: _Line, line: _Line, commit: Commit, origin: Origin | None = None
    ) -> None:
        """Let a workflow go on under another name; `origin` is the commit that does only this."""
        assert before.head is not None and before.newest is not None
        named = before.newest.renamed(
            line.workflow, oid=before.head, time=commit.time, author=commit.author
        )
        named = replace(named, origin=origin)
        line.parent, line.head, line.newest = before.parent, self._objects.add(named), named
        line.ours, line.base, line.is_met = before.ours, before.base, before.is_met
        line.added, line.newest_at, line.exported = before.added, before.newest_at, before.exported
        line.renames = [*before.renames, (before.workflow, line.workflow, line.head)]
        line.gone = {before.workflow: before.there, **before.gone}
        self._lines.pop(before.workflow, None)

    def _may_be_kept(self, found: Version, number: int, commit: Commit) -> bool:
        if self._allow_secret:
            return True
        if problems := self._versions.secrets(found.loaded):
            where = f"{problems[0].file}, line {problems[0].line}"
            self._skip(found, number, f"{where}: {problems[0].message}", problems)
        elif secrets := find_secrets(commit.message):
            self._skip(found, number, f"its message has what looks like {secrets[0].what}")
        else:
            return True
        return False

    def _append(self, line: _Line, found: Version, commit: Commit) -> None:
        loaded = found.loaded
        path = _recorded(self._store, self._git, found.path)
        if commit.file is not None and place_of(commit.file) == found.path:
            path = commit.file
        fresh = Packed(loaded.built.objects)
        source = split_text(path, loaded.text, fresh.add)
        self._keep(fresh)
        message = commit.message
        if not message.strip() and not commit.trailers:
            message = self._message(line, loaded)
        restores = self._restored(line, loaded, commit)
        deploy = Deploy(
            workflow=line.workflow,
            snapshot=loaded.snapshot,
            parents=(line.head,) if line.head else (),
            time=commit.time,
            author=commit.author,
            message=message,
            settings=dict(loaded.definition.settings),
            source=source,
            origin=Origin(commit=found.commit, dirty=False),
            action="rollback" if restores else "import",
            restores=restores,
        )
        line.head, line.newest, line.path = self._objects.add(deploy), deploy, found.path

    def _restored(self, line: _Line, loaded: Loaded, commit: Commit) -> Oid | None:
        """Return the deploy that a commit brought back, if it was exported from a rollback."""
        if commit.restores is None:
            return None
        found = line.exported.get(commit.restores)
        if found is None and line.parent is not None:
            found = self._known.of_deploy(line.parent, commit.restores)
        same = found and loaded.is_as(found[1])
        return found[0] if found and same else None

    def _message(self, line: _Line, loaded: Loaded) -> str:
        if line.newest is None:
            return f"Import of {loaded.path}"
        return summarize(compare_with_loaded(self._store, line.newest, loaded))

    def _keep(self, objects: Mapping[Oid, bytes]) -> None:
        fresh = {oid: data for oid, data in objects.items() if oid not in self._objects}
        self._objects |= fresh
        self._store.hold(fresh)

    def _skip(
        self, found: Version, number: int, reason: str, problems: Sequence[Problem] = ()
    ) -> None:
        self._skips.setdefault(found.file, []).append(number)
        self.skipped.append(
            Skipped(commit=found.commit, path=found.path, reason=reason, problems=tuple(problems))
        )


def _commit(blobs: Blobs, commit: str) -> Commit:
    data = blobs.read(commit, COMMIT_BYTES_MAX)
    if data is None:
        raise StoreError(f"git does not have commit {commit[:12]} of this history")
    return read_commit(data)


def _tags(git: Git, numbers: Mapping[str, int]) -> tuple[dict[str, int], set[str]]:
    """Return the tags on these commits that ork has a name for: label -> number of the commit.

    And the names of all others.
    """
    form = "--format=%(refname:lstrip=2) %(objectname) %(*objectname)"  # the tag's, its commit's
    found: dict[str, int] = {}
    left = set()
    for line in git.run("for-each-ref", form, "refs/tags").decode("utf-8", "replace").splitlines():
        label, *ids = line.split()
        if is_name(label) and ids[-1] in numbers:
            found[label] = numbers[ids[-1]]
        else:
            left.add(label)
    return found, left


def _tip(git: Git, branch: str | None) -> str:
    tip = git.commit(branch or "HEAD")
    if tip is not None:
        return tip
    if branch is None:
        raise NotFound(f"{git.folder} has no commit yet", hint="name another --branch, if it has")
    names = git.run("for-each-ref", "--format=%(refname:short)", "refs/heads", "refs/remotes")
    listed = ", ".join(names.decode("utf-8", "replace").split()[:BRANCHES_SHOWN_MAX])
    raise NotFound(
        f"git knows no commit {branch!r} there", hint=f"its branches: {listed}" if listed else None
    )


def _inside(git: Git, below: str, path: str) -> str:
    """Return a path or pattern relative to the top of the repository."""
    if posixpath.isabs(path) and git.work_tree:
        inside = os.path.relpath(path, git.work_tree)
    else:
        inside = posixpath.normpath(below + path)
    if inside == ".." or inside.startswith(("../", "/")):
        raise NotFound(f"{path} is outside of the repository {git.work_tree or git.folder}")
    return inside


def _recorded(store: Store, git: Git, path: str) -> str:
    """Return a path as a deploy records it: relative to the project, where that is in there."""
    if git.work_tree is None or not store.project.is_relative_to(git.work_tree):
        return path
    return os.path.relpath(git.work_tree / path, store.project)
