"""Changes that a page asks for: each is a form, and the same call as a command makes.

Only with `ork up --allow-changes`. A form needs no script; it names in `back` the page to return
to, which then tells in a line what was done. What is recorded names the person that a proxy names,
else the page of the user who started `ork up`, and as command line `ork up: rollback etl etl~1`.
A program sends the same fields as an object of JSON, with the token of the page in a header, and is
answered in JSON.

No form takes a workflow file: a page is no way to run code that is not deployed.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeAlias
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ork.cli.screen.line import json_text
from ork.cli.web import guard
from ork.daemon import pauses, queue
from ork.daemon.page import ROOT
from ork.errors import Conflict, NotFound, UsageError, count
from ork.heads.rollback import rollback
from ork.heads.tags import tag, untag
from ork.heads.undo import undo
from ork.objects.value import Value
from ork.runner import record
from ork.runner.owner import make_sure_of_room
from ork.runner.start import Caller, Options
from ork.store.contents import find_run
from ork.store.resolve import head, resolve
from ork.store.runs import Names
from ork.store.store import Stamp, Store
from ork.worktree.origin import author
from ork.zone import now_here

if TYPE_CHECKING:
    from datetime import datetime

    from ork.cli.web.app import Web

FORM_BYTES_MAX = 64 << 10
FORM_SECONDS_MAX = 10.0
FIELDS_MAX = 200
_RETRY = """\
import sys
root, folder, run, who = sys.argv[1:]
sys.path.append(root)
import ork
for event in ork.open(folder).retry_events(run, author=who):
    pass
"""
INPUT = "input."  # before the name of a parameter, in the name of its field


class Form(Value, frozen=True, kw_only=True):
    """A change that somebody asks for; `fields` are those that are not empty."""

    store: Store
    now: datetime
    path: Mapping[str, str]
    fields: Mapping[str, str]
    who: str
    schedule: bool  # this `ork up` runs what waits

    def get(self, name: str) -> str:
        """Return what a field says that must say something."""
        if name not in self.fields:
            raise UsageError(f"the field {name} is empty")
        return self.fields[name]

    def stamp(self, *words: str) -> Stamp:
        """Return who does what; the words are those of the command."""
        return Stamp(time=self.now, author=self.who, argv=("ork", "up:", *words))


class Done(NamedTuple):
    """What was done, in words, and the id of a run that waits now."""

    message: str
    id: str | None = None


Change: TypeAlias = Callable[[Form], Done]
Fields: TypeAlias = tuple[str, ...]  # those that a change may have; INPUT begins many


def _run(form: Form) -> Done:
    """Let the newest deploy of a workflow wait for `ork up` to run it."""
    name = form.path["name"]
    given = {
        field.removeprefix(INPUT): value
        for field, value in form.fields.items()
        if field.startswith(INPUT)
    }
    caller = Caller(stamp=form.stamp("run", name), now=form.now)
    # By its oid: a name could be that of a file.
    newest = head(form.store, name)
    try:
        queued = queue.put(form.store, newest, options=Options(given=given), caller=caller)
    except UsageError as error:
        words = re.sub(r"-i (?=\w)", INPUT, error.message)  # here it is the name of a field
        raise UsageError(words, hint=error.hint) from None
    if not form.schedule:
        return Done(f"{name} waits: this `ork up` starts no runs, another one has to", queued.id)
    return Done(f"{name} will run in a moment", queued.id)


def _retry(form: Form) -> Done:
    """Go on with a run in a process of its own, as `ork retry` does."""
    store, name = form.store, _run_name(form)
    _, run = find_run(store, resolve(store, name, now=form.now))
    if run.ended is None:
        raise Conflict(f"{name} goes on")
    if run.state == "success":
        raise UsageError(f"{name} succeeded: there is nothing to go on with")
    room = queue.room_for(store, Names(store).of(run), run.deploy)
    make_sure_of_room(store, room, but=run.id)  # nobody sees what that process says
    assert store.folder is not None
    subprocess.Popen(
        [sys.executable, "-P", "-X", "utf8", "-c", _RETRY, ROOT, str(store.folder), name, form.who],
        cwd=store.project,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # it goes on when this process ends
    )
    return Done(f"{name} goes on in a moment")


def _cancel(form: Form) -> Done:
    """Ask the owner of a run to stop it."""
    name = _run_name(form)
    _, run = find_run(form.store, resolve(form.store, name, now=form.now))
    record.cancel(form.store, run, author=form.who)
    return Done(f"asked {name} to stop")


def _run_name(form: Form) -> str:
    return f"{form.path['name']}#{form.path['number']}"


def _take_back(form: Form) -> Done:
    """Take a run that waits out of the queue."""
    found = queue.find(form.store, form.path["id"])
    if found is None:
        raise NotFound(f"no run waits under the id {form.path['id']}: perhaps it has begun")
    queue.remove(form.store, found)
    return Done(f"a run of {found.workflow} that waited was taken back")


def _pause(form: Form) -> Done:
    name = form.path["name"]
    pauses.pause(form.store, name, stamp=form.stamp("schedule", "pause", name))
    return Done(f"{name} is paused")


def _resume(form: Form) -> Done:
    name = form.path["name"]
    stamp = form.stamp("schedule", "resume", name)
    done = pauses.resume(form.store, name, stamp=stamp, now=form.now)
    if done.already:
        return Done(f"{name} is not paused")
    gone = f": {count(done.left_out, 'slot')} left out" if done.left_out else ""
    return Done(f"{name} is scheduled again{gone}")


def _rollback(form: Form) -> Done:
    name, revision = form.path["name"], form.get("revision")
    stamp = form.stamp("rollback", name, revision)
    message = form.fields.get("message")
    done = rollback(form.store, name, revision, stamp=stamp, now=form.now, message=message)
    if not done.changed:
        return Done(f"{name} has that content already")
    return Done(f"{name}: {done.message.partition(chr(10))[0]}")


def _tag(form: Form) -> Done:
    name = f"{form.path['name']}@{form.get('label')}"
    revision, force = form.fields.get("revision"), form.fields.get("force", "false") != "false"
    words = ("tag", *(("-f",) if force else ()), name, *((revision,) if revision else ()))
    tag(form.store, name, revision, stamp=form.stamp(*words), now=form.now, force=force)
    return Done(f"{name} is a tag now")


def _untag(form: Form) -> Done:
    name = f"{form.path['name']}@{form.get('label')}"
    untag(form.store, name, stamp=form.stamp("tag", "-d", name))
    return Done(f"the tag {name} is gone")


def _undo(form: Form) -> Done:
    oid = form.path["oid"]
    done = undo(form.store, oid, stamp=form.stamp("undo", oid), now=form.now)
    return Done(f"took back: {done.operation.command}")


CHANGES: tuple[tuple[str, Change, Fields], ...] = (
    ("/workflows/{name}/run", _run, (INPUT,)),
    ("/workflows/{name}/pause", _pause, ()),
    ("/workflows/{name}/resume", _resume, ()),
    ("/workflows/{name}/rollback", _rollback, ("revision", "message")),
    ("/workflows/{name}/tag", _tag, ("label", "revision", "force")),
    ("/workflows/{name}/untag", _untag, ("label",)),
    ("/runs/{name}/{number:int}/retry", _retry, ()),
    ("/runs/{name}/{number:int}/cancel", _cancel, ()),
    ("/queue/{name}/{id}/remove", _take_back, ()),
    ("/ops/{oid}/undo", _undo, ()),
)


def routes(web: Web) -> list[Route]:
    """Return the routes of all changes."""
    return [
        Route(pattern, partial(_change, web, change, known), methods=["POST"])
        for pattern, change, known in CHANGES
    ]


async def _change(web: Web, change: Change, known: Fields, request: Request) -> Response:
    """Do what a form asks for, and lead back to its page."""
    if not web.setup.allow_changes:
        raise guard.Refused(
            "pages only show here", hint="`ork up --allow-changes` lets them change"
        )
    fields = await _fields(request)
    is_program = guard.is_program(request)
    proof = fields.pop("form_token", "")
    if not (is_program or guard.has_form_token(request, proof)):
        raise guard.Refused("this form is too old", hint="open its page again, then send it")
    who = web.person(request)
    if who is None and web.setup.proxy_user_header is not None:
        raise guard.Refused("the proxy names nobody, so nothing is changed")
    back = guard.local_path(fields.pop("back", "/"))
    _refuse_unknown(fields, known)
    form = Form(
        store=web.store,
        now=now_here(),
        path={name: str(value) for name, value in request.path_params.items()},
        fields=fields,
        who=who or f"page of {author(os.environ, web.store.project)}",
        schedule=web.setup.schedule,
    )
    await web.reach()  # before it begins: what was said to have failed must not happen later
    done = await web.in_thread(change, form, doubts=False)
    if is_program:
        return Response(json_text("done", done._asdict()) + "\n", media_type=guard.JSON)
    response = RedirectResponse(back, 303)
    guard.set_notice(request, response, web.rules, done.message)
    return response


def _refuse_unknown(fields: Mapping[str, str], known: Fields) -> None:
    """Raise UsageError for a field that means nothing here."""
    for name in fields:
        if name not in known and not (INPUT in known and name.startswith(INPUT)):
            takes = ", ".join(f"{one}NAME" if one == INPUT else one for one in known)
            hint = f"it takes {takes}" if known else "it takes none"
            raise UsageError(f"there is no field {name} here", hint=hint)


async def _fields(request: Request) -> dict[str, str]:
    """Return the fields of a form that are not empty; its size and its time have a limit."""
    is_program = guard.is_program(request)
    if not is_program and guard.kind_of(request) != "application/x-www-form-urlencoded":
        raise UsageError(
            "a change is asked for by a form",
            hint="a program sends JSON, and the header `Authorization: Bearer TOKEN`",
        )
    data = bytearray()
    try:
        async with asyncio.timeout(FORM_SECONDS_MAX):
            async for piece in request.stream():
                data += piece
                if len(data) > FORM_BYTES_MAX:
                    raise UsageError(f"a form has at most {FORM_BYTES_MAX:,} bytes")
    except TimeoutError:
        raise UsageError("the form did not come to its end in time") from None
    if is_program:
        return _members(data)
    try:
        found = parse_qsl(data.decode(), keep_blank_values=False, max_num_fields=FIELDS_MAX)
    except ValueError:
        raise UsageError("this is no form that ork made") from None
    return {name: value.replace("\r\n", "\n") for name, value in found}


def _members(data: bytes | bytearray) -> dict[str, str]:
    """Return the members of an object of JSON that are not empty, each as the text of a field."""
    try:
        found = json.loads(data or "{}")
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise UsageError("the fields are asked for as an object of JSON", hint='as {"label": "v1"}')
    given = {name: one for name, one in found.items() if one not in (None, "")}
    return {name: one if isinstance(one, str) else json.dumps(one) for name, one in given.items()}
