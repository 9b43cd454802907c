"""A Deploy as the text of a git commit, and back. Pure.

git takes less than ork does: no angle brackets in a name, no time before 1970 or below a second, no
NUL in a message. What does not fit is written as git takes it, and exactly in a trailer, so that
reading gives back what was written. A trailer that contradicts the commit around it, because
somebody amended that, does not count.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from ork.definition.workflow import RESERVED
from ork.objects.canonical import Oid
from ork.objects.kinds import ZERO_TIME, Deploy, format_time, is_name, is_oid, is_path, parse_time
from ork.objects.value import Value

MESSAGE_BYTES_MAX = 64 * 1024
# Times outside of these years leave the calendar in some time zone.
YEAR_MIN, YEAR_MAX = 2, 9998
NOBODY = "unknown"

_IDENT = re.compile(r"([^<>]*+)<([^<>]*+)>")
_UNFIT = re.compile(r"[\x00-\x1f\x7f<>]+")
_AUTHOR = re.compile(rb"^author (.*)$", re.MULTILINE)
_ENCODING = re.compile(rb"^encoding (.*)$", re.MULTILINE)
_WHEN = re.compile(r"(-?[0-9]{1,20})(?: [+-][0-9]+)?\s*")
_TRAILER = re.compile(r"Ork-([A-Z][a-z]+): (.*)")


class Commit(Value, frozen=True, kw_only=True):
    """A git commit in the words of a deploy; `trailers` are ork's own, if ork wrote it."""

    author: str
    time: datetime
    message: str
    trailers: Mapping[str, str] = {}

    @property
    def deploy(self) -> Oid | None:
        """The deploy that was exported as this commit, if it is one of ork's."""
        oid = self.trailers.get("Deploy")
        return Oid(oid) if oid is not None else None

    @property
    def restores(self) -> Oid | None:
        """The deploy that was brought back by a rollback, if it is one."""
        oid = self.trailers.get("Restores")
        return Oid(oid) if oid and is_oid(oid) else None

    @property
    def workflow(self) -> str | None:
        """The name of the workflow, if it is one of ork's."""
        name = self.trailers.get("Workflow")
        return name if name is not None and is_name(name) and name not in RESERVED else None

    @property
    def file(self) -> str | None:
        """The path of the workflow file as that deploy recorded it."""
        text = self.trailers.get("File", "")
        return _json_text(text) if text.startswith('"') else text or None


def ident(author: str) -> str:
    """Return an author as git takes it: always a name and, maybe empty, an address."""
    found = _IDENT.fullmatch(author)
    name, email = found.groups() if found else (author, "")
    if not found and "@" in author and " " not in author:
        name, email = author.partition("@")[0], author
    name, email = (_UNFIT.sub(" ", part).strip() for part in (name, email))
    return f"{name or NOBODY} <{email}>"


def seconds(time: datetime) -> int:
    """Return a time as git takes it: whole seconds since 1970, none before."""
    return max(0, (time - ZERO_TIME) // timedelta(seconds=1))


def place_of(path: str) -> str:
    """Return where the workflow file of a deploy lies in its commit.

    Of a file from outside of the project only the name counts: what lies around it is not known.
    """
    return path if is_path(path) else path.rpartition("/")[2]


def message_of(oid: Oid, deploy: Deploy) -> bytes:
    """Return the message of the commit for a deploy: its own, and ork's trailers below."""
    trailers = {
        "Snapshot": str(deploy.snapshot),
        "Deploy": str(oid),
        "Workflow": deploy.workflow,
        "File": _line(deploy.source.path),
        "Action": deploy.action,
    }
    if deploy.restores is not None:
        trailers["Restores"] = deploy.restores
    if ident(deploy.author) != deploy.author:
        trailers["Author"] = json.dumps(deploy.author)
    if ZERO_TIME + timedelta(seconds=seconds(deploy.time)) != deploy.time:
        trailers["Time"] = format_time(deploy.time)
    if _fit(deploy.message) != deploy.message:
        trailers["Message"] = json.dumps(deploy.message)
    lines = "".join(f"Ork-{key}: {value}\n" for key, value in trailers.items())
    return f"{_fit(deploy.message)}\n\n{lines}".encode()


def read_commit(data: bytes) -> Commit:
    """Read the bytes of a commit object; whatever is wrong with them gives a value.

    A missing author is "unknown", a date that is none or beyond all calendars is the first of
    January 1970, bytes that are not of the encoding that the commit names are replaced.
    """
    head, _, body = data.partition(b"\n\n")
    named = _ENCODING.search(head)
    encoding = named[1].decode("latin-1").strip() if named else "utf-8"
    line = _AUTHOR.search(head)
    who, _, when = (_decode(line[1], encoding) if line else "").rpartition(">")
    name, _, email = who.partition("<")
    author = _author(name.strip(), email.strip())
    time = _time(when.strip())
    text = _decode(body, encoding)
    trailers = _trailers(text)
    if not trailers:
        return Commit(author=author, time=time, message=_cut(text.strip("\n")))
    message = text.rpartition("\n\n")[0]
    exact = _json_text(trailers.get("Message"))
    if exact is not None and _fit(exact) == message:
        message = exact
    return Commit(
        author=_true_author(author, trailers),
        time=_true_time(time, trailers),
        message=_cut(message),
        trailers=trailers,
    )


def _line(text: str) -> str:
    return text if text.isprintable() and text[:1] not in ("", " ", '"') else json.dumps(text)


def _author(name: str, email: str) -> str:
    return f"{name} <{email}>" if name else email or NOBODY


def _time(when: str) -> datetime:
    found = _WHEN.fullmatch(when)
    try:
        time = ZERO_TIME + timedelta(seconds=int(found[1])) if found else ZERO_TIME
    except OverflowError:
        return ZERO_TIME
    return time if YEAR_MIN <= time.year <= YEAR_MAX else ZERO_TIME


def _trailers(text: str) -> dict[str, str]:
    """Return ork's trailers; none where the last paragraph is anything but these."""
    _, gap, last = text.rpartition("\n\n")
    found = [_TRAILER.fullmatch(line) for line in last.removesuffix("\n").split("\n")]
    if not gap or None in found:
        return {}
    trailers = {one[1]: one[2] for one in found if one}
    whole = is_oid(trailers.get("Snapshot")) and is_oid(trailers.get("Deploy"))
    return trailers if whole else {}


def _true_author(author: str, trailers: Mapping[str, str]) -> str:
    exact = _json_text(trailers.get("Author"))
    return exact if exact is not None and ident(exact) == author else author


def _true_time(time: datetime, trailers: Mapping[str, str]) -> datetime:
    try:
        exact = parse_time(trailers.get("Time", ""))
    except ValueError:
        return time
    same = seconds(exact) == seconds(time) and YEAR_MIN <= exact.year <= YEAR_MAX
    return exact.astimezone(UTC) if same else time


def _json_text(text: str | None) -> str | None:
    try:
        value = json.loads(text or "")
    except (ValueError, RecursionError):
        return None
    return _whole(value) if isinstance(value, str) else None


def _fit(message: str) -> str:
    return message.replace("\0", "\ufffd")


def _decode(data: bytes, encoding: str) -> str:
    try:
        return _whole(data.decode(encoding, "replace"))
    except (LookupError, ValueError):
        return data.decode("utf-8", "replace")


def _whole(text: str) -> str:
    """Return the text without lone surrogates, which some encodings let through."""
    return text.encode("utf-8", "replace").decode()


def _cut(message: str) -> str:
    return message.encode()[:MESSAGE_BYTES_MAX].decode("utf-8", "ignore")
