"""ork completion: the script for a shell, and what may follow the words on a line.

What a parameter takes is told by its name, here, for all commands alike. Nothing is settled,
written or said: a line that makes no sense has no completions.
"""

import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from datetime import UTC
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from ork.backends.address import BACKENDS
from ork.cli.screen import human
from ork.cli.screen.parts import clip
from ork.cli.session import Session
from ork.errors import NotFound, OrkError, UsageError
from ork.objects.kinds import RUN_STATES, STOPPED, Run
from ork.objects.snapshot import Contents
from ork.store.store import Store

if TYPE_CHECKING:
    from ork.definition.workflow import Definition

RUNS_MAX, LOOKED_AT_MAX = 30, 300  # that are offered, of so many of the newest
TEXT_MAX = 40  # characters of a value
_SPECIAL_QUOTED = re.compile(r"[\"\\$`]")  # and between double quotes
_SPECIAL = re.compile(r"[\s\"'\\$`!&|;<>()*?\[\]]")  # to a shell, inside of a word
OPEN = ("=", "/", ":")  # at the end of a word: it goes on
SCRIPTS = {
    "bash": """\
# Completion of ork for bash: eval "$(ork completion bash)" in ~/.bashrc.
_ork() {
    local word
    COMPREPLY=()
    while IFS= read -r word; do
        COMPREPLY+=("$word")
    done < <("$1" completion bash --line "${COMP_LINE:0:COMP_POINT}" \\
        --breaks "$COMP_WORDBREAKS" 2>/dev/null)
}
complete -o nospace -o nosort -F _ork ork
""",
    "zsh": """\
#compdef ork
# Completion of ork for zsh: eval "$(ork completion zsh)" in ~/.zshrc, after any compinit.
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit -i }
_ork() {
    local -a whole whole_shown open open_shown told
    local word text shown about
    while IFS=$'\\t' read -r word text; do
        shown="$word${text:+  -- $text}" about+=$text
        if [[ $word == *[=/:] ]]; then
            open+=("$word") open_shown+=("${shown[1,COLUMNS-1]}")
        else
            whole+=("$word") whole_shown+=("${shown[1,COLUMNS-1]}")
        fi
    done < <(ork completion zsh 2>/dev/null \\
        --line "${(j: :)words[1,CURRENT-1]} $QIPREFIX$PREFIX")
    # A list that is taller than the window has words alone, in columns.
    [[ -n $about ]] && (( $#open + $#whole < LINES - 2 )) && told=(-l -d open_shown)
    (( $#open )) && compadd -V ork -S '' $told -a open
    (( $#told )) && told=(-l -d whole_shown)
    (( $#whole )) && compadd -V ork $told -a whole
    return $(( ! ($#open + $#whole) ))
}
compdef _ork ork
""",
    "fish": """\
# Completion of ork for fish: ork completion fish > ~/.config/fish/completions/ork.fish
complete -c ork -k -f -a '(ork completion fish --line (commandline -cp) 2>/dev/null)'
""",
}


class Candidate(NamedTuple):
    """What may stand in place of a word that is not complete, and what it is."""

    word: str
    about: str = ""


Candidates = Iterator[Candidate]


def completion(
    ctx: typer.Context,
    shell: Annotated[str, typer.Argument(metavar="bash|zsh|fish", help="For which shell.")],
    line: Annotated[str | None, typer.Option(hidden=True)] = None,
    breaks: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Print a script by which a shell completes words.

    Commands, options, workflows, runs, tasks, tags and files are looked up as you type. Write
    eval "$(ork completion bash)" into ~/.bashrc, or the same with zsh into ~/.zshrc. For fish write
    what is printed into the file ~/.config/fish/completions/ork.fish. In ~/.zshrc it stands after
    compinit, if that is there.

    \b
    Example:
        ork completion bash
    """
    session: Session = ctx.obj
    if shell not in SCRIPTS:
        raise UsageError(f"{shell!r} is no shell with a script: there are bash, zsh and fish")
    if line is None:
        sys.stdout.write(SCRIPTS[shell])
        return
    try:
        found = list(_completions(line, session))
    except (OrkError, OSError, typer._click.exceptions.ClickException):
        return
    if shell == "bash":
        words = [*_for_bash(found, line, breaks)]
    else:
        words = [f"{one.word}\t{one.about}" if one.about else one.word for one in found]
    session.print(([word] for word in words), verbatim=True)


def _for_bash(found: list[Candidate], line: str, breaks: str) -> Iterator[str]:
    """Yield words for bash, which puts them in place of what follows the last word break.

    A quote that is open it closes itself.
    """
    typed = _read(line, breaks)
    for word, _ in found:
        rest = word[typed.kept :]
        if typed.quote == "'":
            yield rest.replace("'", "'\\''")
        elif typed.quote:
            yield _SPECIAL_QUOTED.sub(r"\\\g<0>", rest)
        else:
            end = "" if word.endswith(OPEN) else " "
            yield _SPECIAL.sub(r"\\\g<0>", rest) + end


class Typed(NamedTuple):
    """A line that is not complete: its whole words, and the one at its end, perhaps nothing yet."""

    words: list[str]
    last: str
    kept: int  # how much of the last one bash keeps
    quote: str  # that is open at the end


def _read(line: str, breaks: str = "") -> Typed:
    """Read a line as shells do; `breaks` are the signs at which bash begins a new word."""
    words: list[str] = []
    text, begun, kept, opened, quote = "", False, 0, 0, ""
    signs = iter(line)
    for sign in signs:
        if sign.isspace() and not quote:
            words += [text] * begun
            text, begun, kept = "", False, 0
            continue
        begun = True
        if sign == "\\" and quote != "'":
            text += next(signs, "")
        elif sign == quote or (sign in "\"'" and not quote):
            quote, opened = "" if quote else sign, len(text)
        else:
            text += sign
            if sign in breaks and not quote:
                kept = len(text) - (sign == "@")  # which begins the new word
    return Typed(words[1:], text, opened if quote else kept, quote)


def _completions(line: str, session: Session) -> Candidates:
    """Yield what may follow, sorted as people look for it."""
    from ork.cli.app import COMMANDS, program

    shells = typer._click.shell_completion
    words, last, *_ = _read(line)
    commands = [Candidate(name, line) for name, (_, line, _) in COMMANDS.items()]
    if words == ["help"]:
        return (one for one in commands if one.word.startswith(last))
    # An option without its value would keep all other words from being understood.
    whole = words[:-1] if words and words[-1].startswith("-") else words
    context = shells._resolve_context(program(), {"obj": session}, "ork", whole)
    if whole != words and any(one.is_flag for one in _options(context) if words[-1] in one.opts):
        context = shells._resolve_context(program(), {"obj": session}, "ork", words)
    asked, rest = shells._resolve_incomplete(context, words, last)
    before = last.removesuffix(rest)  # the name of an option, and =
    found: Candidates
    if asked is context.command and context.parent is None and not last.startswith("-"):
        found = iter([*commands, Candidate("help", "Show the help of a command.")])
    elif asked is context.command:
        found = _names_of_options(context)
    else:
        _work_where(context, session)
        names = len(words) - words.index("--") - 1 if "--" in words else None
        found = _values(asked, context, Asked(session, context, rest, names))
    return (one._replace(word=before + one.word) for one in found if one.word.startswith(rest))


def _options(context: Any) -> Iterator[Any]:
    return (one for one in context.command.params if one.param_type_name == "option")


def _names_of_options(context: Any) -> Candidates:
    for param in _options(context):
        names = [] if param.hidden else [*param.opts, *param.secondary_opts]
        for name in [one for one in names if one.startswith("--")] or names[:1]:
            yield Candidate(name, param.help or "")


def _work_where(context: Any, session: Session) -> None:
    """Do what the options before the command say of folder and store."""
    root = context.find_root().params
    for folder in root.get("folders") or ():
        os.chdir(folder)
    if root.get("store"):
        session.use(root["store"])


def _values(param: Any, context: Any, asked: "Asked") -> Candidates:
    """Yield the values that a parameter may have, and does not have yet."""
    listed = (param.metavar or "").strip("[]").split("|")
    if closed := [word for word in listed if re.fullmatch("[a-z-]+", word)]:
        return map(Candidate, closed)
    if param.name in LISTS:
        before, comma, _ = asked.text.rpartition(",") if param.multiple else ("", "", "")
        others = (word for word in LISTS[param.name] if word not in before.split(","))
        return (Candidate(before + comma + word) for word in others)
    known = VALUES.get(param.name)
    if known is None:
        return iter(())
    if param.nargs != -1:
        return known(asked)
    given = {*map(str, context.params[param.name] or ())}
    if asked.names is not None:
        known = _names
    elif len(given) >= REVISIONS_MAX.get(asked.command, len(given) + 1):
        return iter(())
    return (one for one in known(asked) if one.word not in given)


class Asked:
    """The question for the values of one parameter."""

    def __init__(self, session: Session, context: Any, text: str, names: int | None) -> None:
        self.session, self.text = session, text
        self.names = names  # how many words stand behind --, if that is there
        self.command: str = context.info_name
        self.params: dict[str, Any] = context.params

    @property
    def store(self) -> Store:
        """The store, as it is: runs whose owner was killed are not settled."""
        return self.session.unsettled()

    @property
    def named(self) -> str:
        """The revision that stands on the line already."""
        words = [self.params.get(name) for name in ("what", "revision", "workflow")]
        listed = self.params.get("words") or self.params.get("revisions") or ()
        words += listed[: len(listed) - (self.names or 0)]
        return next((word for word in words if isinstance(word, str)), "@")


def _workflows(asked: Asked) -> Candidates:
    from ork.store.resolve import archived, workflows
    from ork.store.runs import newest_of

    if asked.command == "runs" and ":" in asked.text:
        yield from (one for one in _parts(asked) if one.about == "task")
        return
    if asked.command == "archive" and asked.params.get("undo"):
        names = archived(asked.store)
    else:
        names = {*workflows(asked.store)}
    if asked.command == "schedule":
        names &= _scheduled(asked)
    for name, newest in newest_of(asked.store, sorted(names), 1, damage=[]).items():
        if _makes_sense(asked, newest[0].run if newest else None):
            yield Candidate(name, "".join(f"{one.name} {_how(asked, one.run)}" for one in newest))


def _scheduled(asked: Asked) -> set[str]:
    """Return the workflows of which a schedule can be acted on: resumed, paused, or another."""
    from ork.daemon.lines import Lines, holding
    from ork.daemon.pauses import paused_ref

    lines = Lines(asked.store).look()
    there = {line.workflow for line in lines}
    action = asked.params.get("action")
    if action not in ("pause", "resume"):
        return there
    paused = {ref.partition("/")[2] for ref in asked.store.refs_at(map(paused_ref, there))}
    if action == "pause":
        return there - paused
    return paused | {line.workflow for line, _ in holding(asked.store, lines)}


def _makes_sense(asked: Asked, run: Run | None) -> bool:
    """Say whether a command is for what has this newest run, or none: no retry is of a success."""
    if run is None:
        return asked.command not in OF_A_RUN
    again = any(asked.params.get(name) for name in ("failed", "latest", "only", "start_at"))
    return asked.command != "retry" or again or run.state in ("failed", *STOPPED)


def _going_on(asked: Asked) -> Candidates:
    """Yield the runs that go on, with a name of which there is one."""
    from ork.store.runs import all_going_on

    for run in all_going_on(asked.store):
        yield Candidate(run.name, _how(asked, run))


def _how(asked: Asked, run: Run) -> str:
    return f"{run.state}, {human.near(run.created, asked.session.now().astimezone(UTC))}"


def _runs(asked: Asked) -> Candidates:
    """Yield the newest runs; what they stand for may be written as the workflow alone."""
    from ork.store.resolve import workflow_meant
    from ork.store.runs import runs

    typed, sign, _ = asked.text.partition("#")
    workflow = workflow_meant(asked.store, typed or "@") if sign else None
    yield from _workflows(asked) if workflow is None else ()
    most = LOOKED_AT_MAX if asked.command == "retry" else RUNS_MAX
    found = (entry.run for entry in runs(asked.store, workflow, limit=most))
    for run in islice((one for one in found if _makes_sense(asked, one)), RUNS_MAX):
        name = f"{typed}#{run.number}" if sign else run.name
        yield Candidate(name, _how(asked, run))


def _parts(asked: Asked) -> Candidates:
    """Yield the tasks and code files of the revision before the colon."""
    name = asked.text.partition(":")[0]
    for part, about in _content(asked, name or "@"):
        yield Candidate(f"{name}:{part}", about)


def _names(asked: Asked) -> Candidates:
    """Yield the tasks and code files of the revision, or range, that is named before --."""
    return _content(asked, asked.named.rpartition("..")[2] or "@")


def _content(asked: Asked, revision: str) -> Candidates:
    snapshot = _snapshot(asked, revision)
    yield from (Candidate(task, "task") for task in snapshot.tasks)
    if asked.command not in OF_TASKS:
        yield from (Candidate(path, "code file") for path in snapshot.files)


def _snapshot(asked: Asked, revision: str) -> Contents:
    from ork.store.resolve import resolve, snapshot_of

    found = resolve(asked.store, revision, now=asked.session.now())
    return asked.store.snapshot(snapshot_of(found))


def _revisions(asked: Asked) -> Candidates:
    """Yield workflows, and what may follow one of them: its tags, runs and parts."""
    from ork.store.resolve import REMOTES

    if asked.command == "cancel":
        of_all = asked.params.get("every") or asked.params.get("queue")
        return (_workflows if of_all else _going_on)(asked)
    start, dots, text = asked.text.rpartition("..")
    if dots:
        asked.text = text
    found: Candidates
    if ":" in asked.text:
        found = _parts(asked)
    elif "#" in asked.text:
        found = _runs(asked)
    else:
        remotes = (Candidate(name, "as fetched") for name, _ in asked.store.refs(REMOTES))
        versions: Candidates = chain(_tags(asked), remotes)
        if asked.command in OF_A_RUN:
            versions = (one for one in versions if _has_run(asked, one.word))
        found = chain(_runs(asked) if asked.command in OF_RUNS else _workflows(asked), versions)
    # Of the workflow that stands before it on the line, as for a rollback.
    if (workflow := asked.params.get("workflow") or "@") != "@":
        name = re.compile(rf"(?:.*/)?{re.escape(workflow)}(?![^@#:])")
        found = (one for one in found if name.match(one.word))
    return (one._replace(word=start + dots + one.word) for one in found)


def _has_run(asked: Asked, version: str) -> bool:
    """Say whether a command would take a version, which means its newest run."""
    from ork.store.contents import find_run
    from ork.store.resolve import resolve

    if not version.startswith(asked.text):
        return False
    try:
        _, run = find_run(asked.store, resolve(asked.store, version, now=asked.session.now()))
    except NotFound:
        return False
    return _makes_sense(asked, run)


def _tags(asked: Asked) -> Candidates:
    from ork.heads.tags import tags

    for one in tags(asked.store):
        yield Candidate(f"{one.workflow}@{one.label}", one.deploy.message.partition("\n")[0])


def _named(asked: Asked) -> Candidates:
    """Yield names that are there already, where a command asks for one of these."""
    from ork.store.resolve import REMOTES

    if asked.params.get("delete"):
        return _tags(asked)
    if asked.params.get("as_list"):
        return _workflows(asked)
    if asked.params.get("action") != "rm":
        return iter(())
    # What was fetched can be removed where there is no address any more.
    known = {one.word for one in _remotes(asked)}
    return map(Candidate, sorted(known.union(asked.store.folders(REMOTES))))


def _files_or_revisions(asked: Asked) -> Candidates:
    yield from _files(asked)
    try:
        yield from _revisions(asked)
    except OrkError:
        return  # no store here, yet


def _files(asked: Asked) -> Candidates:
    """Yield workflow files, and folders, in which there may be more of them."""
    return (one for one in _paths(asked) if one.word.endswith(("/", ".yaml", ".yml", ".json")))


def _paths(asked: Asked) -> Candidates:
    folder, slash, start = asked.text.rpartition("/")
    above = Path(folder + slash).expanduser()
    for entry in sorted(os.scandir(above), key=lambda one: one.name):
        if entry.name.startswith(start) and (start.startswith(".") or entry.name[0] != "."):
            yield Candidate(folder + slash + entry.name + "/" * entry.is_dir())


def _folders(asked: Asked) -> Candidates:
    return (one for one in _paths(asked) if one.word.endswith("/"))


def _folder_and_workflow(asked: Asked) -> Candidates:
    behind = asked.params["places"] or asked.params["stream"]
    return (_workflows if behind else _folders)(asked)


def _tasks(asked: Asked) -> Candidates:
    """Yield the tasks of the workflow that is named on the line, deployed or in a file."""
    return map(Candidate, _meant(asked).tasks)


def _meant(asked: Asked) -> "Contents | Definition":
    """Return the workflow that is named on the line, deployed or in a file."""
    from ork.worktree.load import check
    from ork.worktree.lookup import as_revision

    named = as_revision(asked.named)
    if named.startswith("file:"):
        return check(Path(named.removeprefix("file:"))).definition
    return _snapshot(asked, named)


def _inputs(asked: Asked) -> Candidates:
    """Yield the parameters of the workflow that is named on the line, deployed or in a file."""
    for name, param in _meant(asked).params.items():
        text = param.default if isinstance(param.default, str) else json.dumps(param.default)
        yield Candidate(
            f"{name}=", "required" if param.required else f"else {clip(text, TEXT_MAX)}"
        )


def _operations(asked: Asked) -> Candidates:
    from ork.store.operations import operations

    for oid, operation in islice(operations(asked.store), RUNS_MAX):
        yield Candidate(asked.store.short(oid), operation.command)


def _urls(asked: Asked) -> Candidates:
    """Yield how the URL of a new store begins; a clone lies on this machine."""
    distant = () if asked.command == "clone" else ("postgresql", "s3", "gs", "az")
    return (Candidate(f"{scheme}:") for scheme in (*BACKENDS, *distant))


def _remotes(asked: Asked) -> Candidates:
    from ork.store.location import remotes

    return map(Candidate, remotes(asked.session.folder))


REVISIONS_MAX = {"log": 1, "diff": 2}  # that a command takes, of those that take a list of words
OF_TASKS = ("retry", "logs", "outputs")  # of whose part only tasks make sense
OF_A_RUN = ("retry", "watch", "logs", "outputs")  # where a workflow means its newest run
OF_RUNS = (*OF_A_RUN, "cancel", "show")
LISTS = {
    "color": ("auto", "always", "never"),
    "status": RUN_STATES,
    "trigger": tuple(human.BEGAN_BY),
}
VALUES: dict[str, Callable[[Asked], Candidates]] = {
    **dict.fromkeys(("revision", "revisions", "words", "subject", "base", "with_code"), _revisions),
    **dict.fromkeys(("good", "bad", "known", "containing", "snapshot", "objects"), _revisions),
    **dict.fromkeys(("what", "at"), _files_or_revisions),
    **dict.fromkeys(("workflow", "workflows", "old"), _workflows),
    **dict.fromkeys(("only", "start_at", "stop_at", "without"), _tasks),
    **dict.fromkeys(("operation", "at_op"), _operations),
    **dict.fromkeys(("files",), _files),
    **dict.fromkeys(("folder", "file", "source", "target", "to", "output", "export"), _paths),
    **dict.fromkeys(("store", "text_file", "place", "paths", "backup"), _paths),
    "folders": _folders,
    "places": _folder_and_workflow,
    "inputs": _inputs,
    "remote": _remotes,
    "url": _urls,
    "name": _named,
}
