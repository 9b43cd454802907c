"""What an export to git wrote, and what an import from it added -> lines."""

from __future__ import annotations

from collections.abc import Iterator

from ork.cli.screen.human import count
from ork.cli.screen.line import Line
from ork.git.from_git import Imported, ImportedWorkflow
from ork.git.to_git import Exported
from ork.store.store import Store

COMMIT_DIGITS = 12


def export_view(done: Exported) -> Iterator[Line]:
    """Yield one line: what is where now."""
    commit = (done.commit[:COMMIT_DIGITS], "oid")
    branch = (done.branch, "head")
    if not done.added:
        yield [
            (done.workflow, "name"),
            " is up to date at ",
            commit,
            " on ",
            branch,
            f" of {done.repository}",
        ]
        return
    commits = count(done.added, "commit" if done.created else "new commit")
    yield [
        (done.workflow, "name"),
        f": {commits} on ",
        branch,
        f" of {done.repository}, now at ",
        commit,
    ]


def export_hint(done: Exported) -> list[Line]:
    """Return the tags that were left out, and the likely next command."""
    lines: list[Line] = [
        [
            ("note: ", "warning"),
            f"tag {label} was left out: it is on no deploy of this history, or "
            "the repository has another tag of that name",
        ]
        for label in done.left
    ]
    if done.added:
        lines.append([("next: ", "hint"), f"`git -C {done.repository} log --stat {done.branch}`"])
    return lines


def import_view(done: Imported, store: Store) -> Iterator[Line]:
    """Yield one line for each workflow."""
    for one in done.workflows:
        if one.added:
            yield _added(one, store)
    if not any(one.added for one in done.workflows):
        yield [
            f"nothing new in {count(done.commits, 'commit')} up to ",
            (done.commit[:COMMIT_DIGITS], "oid"),
        ]


def skipped_view(done: Imported) -> list[Line]:
    """Return one line for each version that was skipped, and a last one that counts them."""
    lines: list[Line] = [
        [
            ("skipped ", "warning"),
            (one.commit[:COMMIT_DIGITS], "oid"),
            f"  {one.path}: {one.reason}",
        ]
        for one in done.skipped
    ]
    if lines:
        many = count(len(lines), "version")
        lines.append(
            [("note: ", "warning"), f"skipped {many} of a file that could not be deployed"]
        )
    if done.shallow:
        lines.append(
            [
                ("note: ", "warning"),
                f"{done.repository} is a shallow clone: what came "
                "before its oldest commit is not here",
            ]
        )
    return lines


def import_hint(done: Imported) -> list[Line]:
    """Return the likely next command."""
    names = [one.workflow for one in done.workflows if one.added]
    return [[("next: ", "hint"), f"`ork log {names[0]}`"]] if names else []


def _added(one: ImportedWorkflow, store: Store) -> Line:
    newest = one.added[-1]
    deploys = count(len(one.added), "new deploy" if one.parent else "deploy")
    return [
        (one.workflow, "name"),
        " ",
        (store.short(newest.snapshot), "oid"),
        f"  {deploys} from {one.path}, the newest of ",
        (newest.commit[:COMMIT_DIGITS], "oid"),
    ]
