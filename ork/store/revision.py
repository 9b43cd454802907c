"""The grammar of revisions: how a user names a deploy, snapshot, task, code file or run.

etl  etl~3  etl^  etl@v1.4  etl@{2}  etl@{yesterday}  etl@{good}  etl#57  run:ID  7f3a9c1
origin/etl  file:PATH  @  REV:task  REV:path/to/file.py  REV:  REV^{snapshot}  A..B
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from shlex import quote

from ork.errors import NotFound, UsageError, quoted
from ork.objects.value import Value, replace

STEPS_MAX = 1_000_000
FORMS = "write NAME, NAME~2, NAME@tag, NAME@{yesterday}, NAME#57, an oid, or file:PATH"
RANGES = (
    "`ork diff A...B` shows what B has since the two were one, `ork log A..B` lists what B has and"
    " A has not, `ork log A...B` what one alone has"
)
ENDINGS = (".yaml", ".yml", ".json")  # of workflow files


class Revision(Value, frozen=True, kw_only=True):
    """A parsed revision. Exactly one of `name`, `run`, `number` and `file` says where it starts.

    `name` is a workflow or the start of an oid, "@" the only workflow, or a path; with a `remote`,
    a workflow as it was in that other store when it was last looked at. `tag` and `at` are what
    stood after "@". `back` is how many parents to go back; `peel` a kind to turn it into.
    `path` is None, or what stood after ":", where "" is the text of the workflow file.
    """

    text: str
    name: str | None = None
    remote: str | None = None
    number: int | None = None  # with name: its run of that number
    run: str | None = None
    file: str | None = None
    tag: str | None = None
    at: str | None = None
    back: int = 0
    peel: str | None = None
    path: str | None = None

    @property
    def is_run(self) -> bool:
        """Whether it names a run, and not its definition or a part of it."""
        is_one = self.run is not None or self.number is not None
        return is_one and self.peel is None and self.path is None


# Each is compiled when it is needed: a command needs few of them.
_STEP = (
    r"~(?P<tilde>[0-9]{0,7})|\^\{(?P<peel>[a-z]*)\}|(?P<caret>\^)|@\{(?P<at>[^{}]{1,64})\}"
    r"|@(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})|#(?P<number>[0-9]{1,10})"
)
_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_BASE = rf"(?:(?P<remote>{_NAME})/)?(?P<name>{_NAME})|@"
_PATH = r"\.{0,2}/|[^/@~^#{}]+/[^/]+/"  # how one begins that can be no REMOTE/NAME
_UP_TO_COLON = r"(?:[^:{]|\{[^{}]*\}?)*"  # a colon in braces belongs to a time
_FILE_END = r"\.(?:ya?ml|json)(?=:)"
_FILE_RANGE = r"(file:.*?\.(?:ya?ml|json))\.\."
_PLAIN = r"[\w@%+=:,./~^#{}-]+"  # what no shell reads otherwise in the middle of a word
_CLOCK = "[0-9]{2}:[0-9]{2}(:[0-9]{2})?"
_AGO = "([0-9]{1,6})[ .]?(?:(s|m|h|d|w)|(second|minute|hour|day|week)s?)(?:[ .]ago)?"
_NEAR = {"yesterday": -1, "today": 0, "tomorrow": 1}  # days from today
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_NAMED = {"noon": "12:00", "midnight": "00:00"}  # times of the day
_UNITS = {unit[0]: unit for unit in ("second", "minute", "hour", "day", "week")}


def as_word(text: str) -> str:
    """Return a revision as one types it in a shell: quoted where that would read it otherwise."""
    return text if re.fullmatch(_PLAIN, text) else quote(text)


def parse(text: str) -> Revision:
    """Return the revision of a text; raise NotFound, with the grammar, when it is none."""
    if text.startswith("file:"):
        path = text.removeprefix("file:")
        end = re.search(_FILE_END, path)
        if end:
            return Revision(text=text, file=path[: end.end()], path=path[end.end() + 1 :])
        return Revision(text=text, file=path)
    if text.startswith("run:"):
        run, colon, path = _partition(text.removeprefix("run:"))
        start = Revision(text=text, path=path if colon else None)
        found = re.match(_NAME, run)
        if not found:
            raise _unreadable(text)
        return _steps(replace(start, run=found.group()), run[found.end() :])
    head, colon, path = _partition(text)
    if parse_since(head) or parse_range(head):
        raise NotFound(f"{quoted(text)} names two revisions, and one is wanted here", hint=RANGES)
    # Of the only workflow, as git's @{1} is of the only branch that is checked out.
    head = in_workflow("@", head)
    if re.match(_PATH, head):  # which names no workflow, but perhaps a code file
        return Revision(text=text, name=head, path=path if colon else None)
    found = re.match(_BASE, head)
    if not found:
        raise _unreadable(text)
    start = Revision(
        text=text, name=found["name"] or "@", remote=found["remote"], path=path if colon else None
    )
    return _steps(start, head[found.end() :])


def parse_range(text: str) -> tuple[str, str] | None:
    """Return the two ends of "A..B" ("" for an end left out), or None when it is no range.

    ~1 and the like as B are of the workflow that A names.
    """
    if text.startswith("file:"):
        found = re.match(_FILE_RANGE, text)  # dots in a path are no range: file:../etl.yaml
        return (found[1], text[found.end() :]) if found else None
    start, dots, end = text.partition("..")
    if not dots or end.startswith(("/", ".")):
        return None
    return start, in_workflow(workflow_in(start), end) if start else end


def parse_since(text: str) -> tuple[str, str] | None:
    """Return the two ends of "A...B", what they have since they were one; None for other texts.

    Of an end that is left out, it is the newest deploy of the same workflow, or of the only one.
    """
    start, dots, end = text.partition("...")
    if not dots or text.startswith("file:") or end.startswith(("/", ".")):
        return None
    workflow = workflow_in(start)
    return start or "@", in_workflow(workflow, end) if end else workflow


def workflow_in(text: str) -> str:
    """Return the workflow that a revision begins with, as it is written: etl, origin/etl."""
    found = re.match(_BASE, text)
    return found.group() if found else "@"


def split_part(text: str) -> tuple[str, str | None]:
    """Return a revision or range without its `:PATH`, and what stood there; None for no colon."""
    ends = parse_range(text) or parse_since(text)
    last = ends[1] if ends else text
    path = parse(last).path if last else None
    return (text, None) if path is None else (text[: -len(path) - 1], path)


def in_workflow(workflow: str, text: str) -> str:
    """Return ~2, @{1}, @v1 or #56 as a revision of the workflow, any other text as it is."""
    follows = text[:1] in ("~", "^", "#") or (
        text[:1] == "@" and text[1:2] not in ("", "@", "~", "^", "#", ":")
    )
    return workflow + text if follows else text


def parse_moment(text: str | date, now: datetime, *, end_of_day: bool = False) -> datetime:
    """Return the moment that "yesterday", "2 hours ago", "2026-11-01" or an ISO time means.

    A date is as its text, and so is a datetime, which need not have a zone.

    A date alone, `today` or `yesterday` is the begin of that day, or its end; so are `tuesday` and
    `last tuesday`, the last one before today. A time alone, or `noon`, is when the clock showed it
    last. `now` gives the time zone, by whose clocks days and weeks are counted: two hours ago is
    120 minutes, a day ago the same time of the day.
    """
    if isinstance(text, date):
        text = text.isoformat()
    words = _words(text)
    if words == "now":
        return now
    try:
        if words in _NEAR:
            words = (now.date() + timedelta(days=_NEAR[words])).isoformat()
        if days := [day for day in _DAYS if words.removeprefix("last ") in (day, day[:3])]:
            back = (now.weekday() - _DAYS.index(days[0]) - 1) % 7 + 1
            words = (now.date() - timedelta(days=back)).isoformat()
        coming = words.startswith("in ")
        ago = re.fullmatch(_AGO, words.removeprefix("in "))
        if ago and not (coming and words.endswith("ago")):
            unit = ago[3] or _UNITS[ago[2]]
            past = (-1 if coming else 1) * int(ago[1]) * timedelta(**{unit + "s": 1})
            if unit in ("day", "week"):
                return now - past
            return (now.astimezone(UTC) - past).astimezone(now.tzinfo)
        if re.fullmatch(_CLOCK, words):
            moment = datetime.combine(now.date(), time.fromisoformat(words), now.tzinfo)
            return moment if moment <= now else moment - timedelta(days=1)
        if len(words) == 10:
            day = date.fromisoformat(words) + timedelta(days=end_of_day)
            return datetime.combine(day, time(), now.tzinfo)
        moment = datetime.fromisoformat(re.sub(r" (?=[+-]\d)", "", words.upper()))  # as we print it
    except (ValueError, OverflowError):
        raise UsageError(
            f"cannot read the time {text!r}",
            hint="write 2026-11-01, 2026-11-01T12:30, 12:30, noon, yesterday, tuesday, 2h or"
            " '2 days ago'",
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=now.tzinfo)


def _words(text: object) -> str:
    words = text.strip().lower() if isinstance(text, str) else ""
    return _NAMED.get(words, words)


def parse_span(
    since: str | date | None, until: str | date | None, now: datetime
) -> tuple[datetime | None, datetime | None]:
    """Return the begin and the end of a time; raise UsageError where the end comes first.

    A time of the day alone as the end is the first one after the begin or, without one, today's.
    """
    begin = None if since is None else parse_moment(since, now)
    end = None if until is None else parse_moment(until, now, end_of_day=True)
    if re.fullmatch(_CLOCK, clock := _words(until)):
        day = (begin or now).astimezone(now.tzinfo)
        end = datetime.combine(day.date(), time.fromisoformat(clock), now.tzinfo)
        end += timedelta(days=begin is not None and end <= begin)
    if begin is not None and end is not None and end <= begin:
        told = f"--until {until} is {end:%Y-%m-%d %H:%M}, which is not after"
        raise UsageError(f"{told} {'now' if since == 'now' else '--since'}")
    return begin, end


def _partition(text: str) -> tuple[str, str, str]:
    """Split at the first colon that is not in braces: etl@{2026-11-01T12:30}:extract."""
    found = re.match(_UP_TO_COLON, text)
    end = found.end() if found else 0
    return text[:end], text[end : end + 1], text[end + 1 :]


def _steps(revision: Revision, text: str) -> Revision:
    while text:
        found = re.match(_STEP, text)
        if not found or revision.peel == "snapshot":
            raise _unreadable(revision.text)
        revision = _step(revision, found)
        text = text[found.end() :]
    if revision.back > STEPS_MAX:
        raise NotFound(f"{revision.text}: the history does not reach that far back")
    return revision


def _step(revision: Revision, found: re.Match[str]) -> Revision:
    moved = (
        revision.back or revision.at or revision.tag or revision.peel or revision.number is not None
    )
    if found["tilde"] is not None:
        return replace(revision, back=revision.back + int(found["tilde"] or 1))
    if found["caret"]:
        return replace(revision, back=revision.back + 1)
    if found["peel"] is not None:
        if found["peel"] not in ("snapshot", "deploy"):
            raise _unreadable(revision.text)
        return replace(revision, peel=found["peel"])
    if moved or revision.run:
        raise _unreadable(revision.text)
    if found["at"]:
        return replace(revision, at=found["at"])
    if found["tag"]:
        return replace(revision, tag=found["tag"])
    return replace(revision, number=int(found["number"]))


def _unreadable(text: str) -> NotFound:
    hint = FORMS
    if re.match(r"\w+=", text):
        hint = f"a parameter is given as `-i {text}`"
    return NotFound(f"{quoted(text)} is not a revision", hint=hint)
