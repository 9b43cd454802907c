"""A change in words. Each sentence is made here, once; text, counts, Markdown and HTML draw it.

A sentence is a list of (text, meaning). Our own words mean ""; "name" is a name out of a store, to
be quoted as the output does it; "aside" is a remark that an output puts behind a comma, into
brackets, or leaves out; "added", "removed", "hunk" and "dim" are colours on a terminal.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

from ork.cli.screen import human
from ork.cli.screen.parts import clip, quoted, ranges

if TYPE_CHECKING:
    from ork.cli.screen.line import Line
    from ork.differences.definitions import Diff, FieldChange, FileChange, TaskChange
    from ork.differences.impact import Affected, Impact
    from ork.differences.lines import Hunk
    from ork.history.compare import Comparison
    from ork.objects.canonical import Json
    from ork.objects.kinds import Param

Words: TypeAlias = list[tuple[str, str]]

KINDS = ("changed", "added", "removed", "renamed")
EDITED = ("changed", "renamed")  # what both sides have
VALUE_CHARS_MAX = 300
DECLARED_CHARS_MAX = 100  # of the type of a parameter, and of its default
NAMES_MAX = 12
LEGEND = {
    "added": "added",
    "removed": "removed",
    "changed": "changed",
    "renamed": "renamed",
    "affected": "can give another result",
    "same": "gives the same result",
}
_LINES = {"+": "added", "-": "removed", "\\": "dim"}  # by the first letter of a line of a hunk


def drawn(words: Words, *, name: Callable[[str], str] = quoted, aside: str = " ({})") -> str:
    """Return a sentence as text: `name` draws the names, and `aside` is where remarks go."""
    draw = {"name": name, "aside": aside.format}
    return "".join(draw[meaning](text) if meaning in draw else text for text, meaning in words)


def as_line(words: Words) -> Line:
    """Return a sentence as a line of a terminal, in which our own words have no style."""
    return [(text, meaning) if meaning else text for text, meaning in words]


def many(number: int, noun: str) -> str:
    """Return "1 task", "10,000 tasks"."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


# -- all of a change


def headline(comparison: Comparison, impact: Impact) -> str:
    """Return one line: what changed, and how many tasks can give other results."""
    name = comparison.new.workflow or comparison.old.workflow or "change"
    found = counts(comparison.diff)
    if not found and comparison.unkept:
        return f"{name}: {unkept(comparison)}"
    if not found:
        return f"{name}: the definition is the same"
    parts = [
        f"{number:,} {kind}" if index and noun == "task" else f"{many(number, noun)} {kind}"
        for index, (number, noun, kind) in enumerate(found)
    ]
    return f"{name}: {', '.join(parts)}; {reach(impact)}"


def unkept(comparison: Comparison) -> str | None:
    """Return that code could not be compared, and why; None where it was."""
    names = " and ".join(quoted(text) for text in comparison.unkept)
    return f"the code of {names} was never kept, so code is not compared" if names else None


def counts(diff: Diff, kinds: Iterable[str] = KINDS) -> list[tuple[int, str, str]]:
    """Return how many of what changed, and how: (2, "task", "added"); nothing that is zero."""
    of_kind = Counter(_how(task) for task in diff.tasks)
    both = [word for kind in kinds for word in (kind, f"{kind} and changed")]
    found = [(of_kind[word], "task", word) for word in both]
    things = (("code file", diff.files), ("parameter", diff.params), ("setting", diff.settings))
    found += [(len(changes), noun, "changed") for noun, changes in things]
    return [one for one in found if one[0]]


def _how(task: TaskChange) -> str:
    return "renamed and changed" if task.kind == "renamed" and task.fields else task.kind


def totals(diff: Diff) -> str:
    """Return the last line of the counts: how much changed in all."""
    things = (
        (diff.tasks, "task"),
        (diff.params, "parameter"),
        (diff.settings, "setting"),
        (diff.files, "file"),
    )
    changed = ", ".join(human.count(len(found), noun) for found, noun in things if found)
    numbers = [
        *((sum(e.kind == kind for e in diff.edges), "edge", kind) for kind in ("added", "removed")),
        (sum(file.added_lines for file in diff.files), "line", "added"),
        (sum(file.removed_lines for file in diff.files), "line", "removed"),
    ]
    more = [f", {human.count(number, noun)} {kind}" for number, noun, kind in numbers if number]
    return f"{changed or 'nothing'} changed{''.join(more)}"


# -- the impact


def reach(impact: Impact) -> str:
    """Return how many tasks can give other results, as a sentence."""
    affected, total = len(impact.affected), len(impact.affected) + len(impact.unaffected)
    if not affected:
        return "no task can give another result"
    if affected == total:
        return "every task can give another result"
    results = "another result" if affected == 1 else "other results"
    return f"{affected:,} of {many(total, 'task')} can give {results}"


def short_reach(impact: Impact) -> str:
    """Return the same as it stands above the list of these tasks on a terminal."""
    affected, total = len(impact.affected), len(impact.affected) + len(impact.unaffected)
    if not affected:
        who = "no task"
    elif affected < total:
        who = f"{affected} of {human.count(total, 'task')}"
    else:
        who = f"all {total} tasks" if total > 1 else "the only task"
    return f"{who} can give other results"


def reason(one: Affected, *, short: bool = False, names_max: int | None = NAMES_MAX) -> Words:
    """Return why a task can give another result: the first part in our words, then the names."""
    from ork.differences.impact import REASONS

    lead = REASONS[one.why][not short] if one.why in REASONS else one.why
    if short and one.why == "param" and len(one.via) > 1:
        lead = "parameters"
    return [(lead, ""), *([(" ", "")] if one.via else []), *listed(one.via, names_max)]


def listed(names: Sequence[str], names_max: int | None) -> Words:
    """Return names with commas between them, and how many more there are.

    Unless all are wanted, those of a loop in short: the first and the last.
    """
    groups = ranges(names)[:names_max] if names_max else [[name] for name in names]
    words: Words = []
    for first, *others in groups:
        words += [(", ", ""), (first, "name")]
        words += [(" ... ", ""), (others[-1], "name")] if others else []
    words = words[1:]
    more = len(names) - sum(map(len, groups))
    return words + ([(f" and {more:,} more", "")] if more else [])


# -- tasks and files


def became(*changes: TaskChange | FileChange) -> Words:
    """Return what became of a task or a file, or of some alike; of renamed ones what they were."""
    if changes[0].kind != "renamed":
        return [(changes[0].kind, "")]
    olds = [str(getattr(one, "old_name", None) or getattr(one, "old_path", "")) for one in changes]
    least, most = (of(one.similarity or 0 for one in changes) for of in (min, max))
    similar = f"{least}% similar" if least == most else f"{least}-{most}% similar"
    return [("renamed from ", ""), *listed(olds, NAMES_MAX), (similar, "aside")]


def remarks(file: FileChange) -> Words:
    """Return what is to be said of a file beside its lines; nothing of one that only changed."""
    found = [] if file.kind == "changed" else [became(file)]
    if file.binary:
        found.append([("binary", "")])
    elif file.old_blob != file.new_blob and not (file.added_lines or file.removed_lines):
        found.append([("only the layout" if file.kind in EDITED else "empty", "")])
    if file.kind in EDITED and file.old_executable != file.new_executable:
        found.append([("now executable" if file.new_executable else "no longer executable", "")])
    return [part for words in found for part in ((", ", ""), *words)][1:]


def sizes(added: int, removed: int) -> Words:
    """Return how many lines came and went: +3 -1; nothing that is zero."""
    words = [(f"+{added}", "added")] if added else []
    gap = [(" ", "")] if added and removed else []
    return [*words, *gap, *([(f"-{removed}", "removed")] if removed else [])]


def gist(task: TaskChange) -> tuple[str, str]:
    """Return the executor of an added or a removed task, and the first line of what it calls."""
    values = {f.path: f.old if f.kind == "removed" else f.new for f in task.fields}
    command, file = values.get("command"), values.get("file") or values.get("module")
    return str(values.get("executor", "")), called(command, file, values.get("function"))


def called(command: object, file: object, function: object) -> str:
    """Return the first line of a command, else a file or module, and the function in it."""
    if isinstance(command, (list, tuple)):
        command = " ".join(map(str, command))
    first, *more = str(command or file or "").strip().split("\n")
    return f"{first}{' ...' if more else ''}{f':{function}' if function else ''}"


# -- values and lines


def value_text(value: Json, room: int | None = VALUE_CHARS_MAX) -> str:
    """Return a value as JSON, its middle left out when it is long."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return clip(json.dumps(value, ensure_ascii=False, sort_keys=True), room)


def declared_as(param: Param) -> str:
    """Return the type of a parameter, and its default if it has one."""
    from ork.definition.types import describe

    kind = describe(param.type) if param.type is not None else "any value"
    default = f"= {clip(json.dumps(param.default, ensure_ascii=False), DECLARED_CHARS_MAX)}"
    return f"{clip(kind, DECLARED_CHARS_MAX)} {'(required)' if param.required else default}"


def replacement(kind: str, old: str, new: str) -> Words:
    """Return how one text took the place of another, or that it came or went."""
    if kind == "added":
        return [(f"+ {new}", "added")]
    if kind == "removed":
        return [(f"- {old}", "removed")]
    return [(old, "removed"), (" -> ", "dim"), (new, "added")]


def field_texts(field: FieldChange) -> tuple[str, str] | None:
    """Return the two texts of a field that is better shown by line, or None for any other value."""
    old = "" if field.kind == "added" else field.old
    new = "" if field.kind == "removed" else field.new
    if not isinstance(old, str) or not isinstance(new, str) or "\n" not in old + new:
        return None
    # That the last line of both has no newline would be noise in a command.
    end = "" if old.endswith("\n") or new.endswith("\n") else "\n"
    return old and old + end, new and new + end


def field_hunks(field: FieldChange) -> tuple[Hunk, ...]:
    """Return the lines that differ in a text of several lines; nothing for any other value."""
    from ork.differences.lines import hunks

    texts = field_texts(field)
    return hunks(*texts) if texts else ()


def hunk_header(hunk: Hunk) -> str:
    """Return the line that says where a hunk stands in both texts."""
    old, new = f"{hunk.old_start},{hunk.old_lines}", f"{hunk.new_start},{hunk.new_lines}"
    return f"@@ -{old} +{new} @@"


def hunk_lines(hunks: Iterable[Hunk]) -> Iterator[tuple[str, str]]:
    """Yield the lines of hunks, each under its header, and what each line means."""
    for hunk in hunks:
        yield hunk_header(hunk), "hunk"
        yield from ((line, _LINES.get(line[0], "")) for line in hunk.lines)
