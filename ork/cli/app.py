"""The command line: the table of commands, the options for all, and the way out.

`main` is the only place that turns an error into words and an exit code.
"""

import errno
import os
import re
import select
import shlex
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, NoReturn, TextIO

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from ork.alike import alike, did_you_mean
from ork.cli.options import at_most_one
from ork.cli.screen import signals
from ork.cli.screen.fit import APART, WIDTH_MIN, abreast, fitted_lines
from ork.cli.screen.line import Line, plain
from ork.cli.screen.progress import Shown
from ork.cli.session import Session, World
from ork.errors import OrkError, StoreError, UsageError, quoted
from ork.progress import watched

# Each command: its name, the function below ork.cli that does it, and its line of help.
TABLE = """\
Definitions
  init         heads.deploy:init         Make a store: an empty one, or of a backup.
  check        heads.check:check         Say all that is wrong in workflow files.
  deploy       heads.deploy:deploy       Keep the present version of a workflow.
  status       heads.deploy:status       Show which files differ from what is deployed.
  workflows    heads.workflows:workflows List the workflows: last run, next slot, tags.
History
  log          history.log:log           List the deploys of a workflow, newest first.
  diff         history.diff:diff         Show what changed between two revisions.
  show         history.show:show         Show any object: a deploy, run, task or file.
  grep         history.grep:grep         Find a text in what is deployed.
  blame        history.blame:blame       Show which deploy last touched each part.
  bisect       history.bisect:bisect     Find the deploy that made a workflow fail.
  graph        pictures.command:command  Draw which task needs which.
  report       history.report:report     Write a change, run or workflow as HTML.
Moving
  rollback     heads.move:rollback       Deploy an older version of a workflow again.
  restore      heads.move:restore        Write a workflow file back as it was deployed.
  tag          heads.move:tag            Give a deploy a name, such as etl@prod.
  mv           heads.workflows:mv        Give a workflow another name.
  archive      heads.workflows:archive   Put a workflow away, with all that it has.
  ops          heads.operations:ops      List every command that moved a head or a tag.
  undo         heads.operations:undo     Take back what moved a head or a tag.
Runs
  run          runs.run:run              Run a workflow, and record exactly what ran.
  retry        runs.again:retry          Go on with runs that failed or were stopped.
  cancel       runs.run:cancel           Stop runs, from any terminal.
  runs         runs.list:runs            List runs, newest first.
  watch        runs.watch:watch          Watch a run that was started elsewhere.
  logs         runs.logs:logs            Print what the tasks of a run wrote.
  outputs      runs.list:outputs         Print what tasks of a run returned, as JSON.
  schedule     schedule:schedule         Tell what is due, pause it, or fire it now.
  up           up:up                     Fire what is due, and serve a page.
In and out
  export       git:export                Write the history of a workflow to git.
  import       git:import_               Take in a history from elsewhere.
  bundle       upkeep.bundle:bundle      Put histories into one file, or look into it.
Elsewhere
  clone        sync.clone:clone          Make a new store of another one.
  push         sync.transfer:push        Bring to another store what it lacks.
  pull         sync.transfer:pull        Take from another store what this one lacks.
  fetch        sync.fetch:fetch          See what another store has, and move nothing.
  remote       sync.remote:remote        Name other stores, for fetch, push and pull.
Upkeep
  backup       upkeep.backup:backup      Copy the whole store to a new folder or file.
  fsck         upkeep.fsck:fsck          Check that nothing is lost or damaged.
  gc           upkeep.gc:gc              Say what need not stay, or remove it.
  forget       upkeep.forget:forget      Take a secret out of the store for good.
Plumbing
  schema       heads.schema:schema       Print the JSON Schema of workflow files, for editors.
  completion   completion:completion     Print a script by which a shell completes words.
  rev-parse    plumbing:rev_parse        Print the oid of what a revision means.
  cat-object   plumbing:cat_object       Print the payload of an object, byte for byte.
  hash-object  plumbing:hash_object      Print the oid of a file's bytes; store nothing.
  ls-tree      plumbing:ls_tree          List the tasks and code files of a snapshot.
"""
TEXT_COLUMNS_MAX = 80  # of the help of a command: longer lines are hard to read
ROW_COLUMNS = 76  # of a section, a command and its line of help beside each other
BESIDE_MIN = 120  # columns of a terminal where two columns of commands stand beside each other
PLUMBING = "Plumbing"  # for scripts: the list of commands only names these
# Commands that may change the store, which --at-op forbids; `tag` decides by its arguments.
WRITERS = (
    *("init", "deploy", "rollback", "undo", "import", "run", "retry", "cancel", "bisect", "gc"),
    *("archive", "mv", "clone", "push", "pull", "fetch", "up"),
)
# Commands with -q, which leaves out what they did; those that deploy and run have their own.
QUIET = (
    *("rollback", "restore", "tag", "mv", "archive", "undo", "cancel", "import", "clone", "push"),
    *("pull", "fetch", "backup"),
)
BEFORE_COMMAND = ("-C", "--store", "--at-op", "--color", "--no-pager", "--version")
# What git and other tools call things -> what does them here.
OTHER_WORDS = {
    word: commands
    for line in """\
add commit ci save publish apply freeze: deploy
st: status
revert reset: rollback, undo
checkout co switch: restore, rollback
branch br branches label pin: tag
cherry-pick: restore
show-ref for-each-ref: workflows, tag
ls-remote: fetch
reflog: ops
cat-file: cat-object
ls-files: ls-tree, check --files
redo: undo --redo
history rev-list shortlog whatchanged changes versions deploys snapshots: log
compare delta: diff
cat describe inspect info view head tasks: show
annotate why: blame
search find: grep
validate lint compile parse: check
test: check, run --only
dag plot tree viz: graph
start exec execute trigger repro make build launch submit materialize: run
plan preview dry-run: run --dry-run
backfill: schedule backfill, run -i
new create: init, deploy
rerun resume restart continue replay: retry
stop kill abort: cancel
ls list: workflows, runs
dags flows deployments: workflows
ps jobs exp flow-run: runs
rename move: mv
attach tail follow top wait events: watch, logs -f
output result results metrics: outputs
stats: runs --tasks
pack dump: bundle, backup
load: import
sync: push, pull
repack: gc --repack
rm delete remove: archive
unarchive: archive --undo
verify doctor: fsck
prune clean clear: gc
serve server webserver scheduler daemon standalone dev web page ui tui dashboard: up
cron timetable queue: schedule
next: schedule next
due missed late: schedule late
pause disable: schedule pause
unpause enable: schedule resume
version: --version
man docs: help
""".splitlines()
    for words, _, commands in [line.partition(": ")]
    for word in words.split()
}
# What needs no command here.
NO_COMMANDS = {
    "edit": "a workflow is its file: change that, and `ork deploy` keeps the new version",
    "rebase": "history only grows: `ork rollback` and `ork undo` go back, and are kept themselves",
    "merge": "a workflow has one line of history: `ork fetch` shows what another store has, and"
    " `ork pull` takes it in",
    "config": "there is little to set: `.ork/config.toml` says what `ork gc` keeps, ORK_AUTHOR who"
    " deploys; the rest are options",
    "worktree": "a run of an older version has a folder of its own: `ork run REVISION`;"
    " `ork restore REVISION --code -o FOLDER/` writes one",
    "down": "`ork up` ends by Ctrl-C, or by the signal TERM",
    "upgrade": "pip brings a newer ork, as it brought this one; let runs and `ork up` end before",
    "copy": "a file with another `name:` is another workflow: `cp`, and edit that line",
    "format": "a workflow file is written by hand, and its form never counts: `ork check` reads it",
    "stash": "a file that is not deployed may stay so: `ork run REVISION` runs without it",
}
NO_COMMANDS |= {"update": NO_COMMANDS["upgrade"], "cp": NO_COMMANDS["copy"]}
NO_COMMANDS |= {"fmt": NO_COMMANDS["format"]}
NO_COMMANDS |= dict.fromkeys(
    ("env", "secrets", "variables", "connections"),
    "a task reads variables, and none are kept here: `env: {NAME: {secret: NAME}}` in its file",
)
BISECT = "bisect --good REVISION --bad REVISION"
# Two words of other tools, where nothing is named by the second.
OTHER_PAIRS = {
    "run list": "runs",
    "run view": "show RUN",
    "run watch": "watch RUN",
    "run rerun": "retry RUN",
    "run cancel": "cancel RUN",
    "runs list": "runs",
    "bisect start": BISECT,
    "bisect good": BISECT,
    "bisect bad": BISECT,
}
# Options that git and other tools have, behind the command -> what is here in their place.
COLOR_WORDS = "it is written `ork --color auto|always|never COMMAND`"
OTHER_OPTIONS = dict.fromkeys([("", "--colour"), ("", "--no-color")], COLOR_WORDS)
OTHER_OPTIONS |= {
    (command, option): told
    for line in """\
diff --cached --staged: nothing is staged here: `ork diff` compares the file with the head
blame -L: `ork blame REVISION:PATH` has all lines, each with its number
tag -m -a: a tag is a name alone, `ork tag LABEL`; messages are of deploys: `ork deploy -m`
remote -v: `ork remote` lists each name with its place
push -f: it is written out: `--force`
pull -f: it is written out: `--force`
diff --name-only: `--stat` has a line for each file and task, `--json` is for programs
show --stat --name-only: `ork log --stat` tells it of each deploy
show -p: `ork log -p` has the whole change of each deploy
show --log: `ork logs RUN` prints what its tasks have printed
show --web: `ork report RUN -o FILE` writes it as a page, and `ork up` serves one
log --name-only --name-status: `--stat` has a line for each file and task
log --pretty: `--oneline` is short, `--json` is for programs
push --all -u: `ork push` brings all workflows to `origin`; another remote is named behind it
fetch --all --prune: `ork fetch NAME` looks at one remote, and sees all that it has
pull --rebase: a workflow has one line of history: `ork pull` moves heads forward only
clone --depth: a clone takes the whole history
deploy -a: nothing is staged here: a deploy takes the file and all that it calls
log --all: without a name, `ork log` lists all workflows
grep -n -E -r: each line has its number, all is searched, and a pattern is a regular expression
runs --failed: `--status failed` lists these
runs --state: `--status STATE` lists those of one state
runs --workflow -w: `ork runs WORKFLOW` lists those of one
runs --watch: `ork watch` follows a run to its end
watch --exit-status: its exit code tells how the run has ended
cancel --force -f: `--now` kills what runs, without a grace
run -p --param --params --set --var --vars --conf -e: a parameter is given as `-i NAME=VALUE`
retry -i: a retry keeps the parameters: `ork run RUN -i NAME=VALUE` runs with others
run --resume: `ork retry RUN` goes on with a run that failed
run --failed --only-failed --rerun: `ork retry RUN` goes on with what failed
run --force --full-refresh: every run executes all its tasks: nothing is to be forced
run --skip --exclude: `--except TASK` runs all but that task
retry --status: `--failed` takes all runs that failed or were interrupted
retry --all --all-failed: `--failed --since TIME` takes all runs that failed since then
retry --queue: `ork up` retries runs of schedules itself: `retries:`
retry --except: `--only` and `--from` say which tasks run again
run --no-cache: every run executes all its tasks: nothing is kept from an earlier one
run --verbose -v: \
`--logs` prints what each task has printed, when it ends; `ork logs -f` while it runs
run --to: `--until TASK` runs a task and what it depends on
run --dry -n: `--dry-run` says what would run
run -f: a file is named as it is: `ork run FILE`
run --downstream: `--from TASK` runs a task and what depends on it
run --task --select -s --models: `--only TASK` runs that task alone
run --target: `--until TASK` runs a task and what it depends on
run --env: `env:` in the file gives variables; ork's own reach each task as well
run --cores --parallel --threads: `-j N` is for that
run --start-date --end-date: `ork schedule backfill` runs the slots of some days
run -d --background --detach: `--queue` leaves it to `ork up`, and comes back at once
logs --log-failed: `--failed` prints those of tasks that failed
logs --task: the log of a task is `ork logs RUN:TASK`
log --limit --max-count -L: `-n N` shows at most so many
runs --limit -L: `-n N` shows at most so many
ops --limit -L: `-n N` shows at most so many
log --format: `--json` is for programs
runs --format: `--json` is for programs
show --format: `--json` is for programs
outputs --format: `--json` is for programs
status --format --porcelain: `--json` is for programs
restore --source: `ork restore REVISION` writes that version
up --port -p: `--listen ADDRESS:PORT` says where the page answers
up --workers: `-j N` says how many runs go on at once
up --daemon --detach -d: `--systemd` prints a unit by which it keeps running
gc --dry-run -n: without `--prune` nothing is removed
undo --dry-run: `ork ops` lists what it would take back, and `--redo` takes it back
rollback --dry-run: `ork undo` takes a rollback back; `ork diff A B` compares two
deploy --dry-run: `ork status` and `ork diff` tell what a deploy would keep
deploy --all: `ork deploy FOLDER` takes all workflow files in a folder
deploy --amend: history only grows: `ork undo` takes the last deploy back, and keeps that
deploy --force: what is refused names the option that allows it, such as `--move`
""".splitlines()
    for words, _, told in [line.partition(": ")]
    for command, *options in [words.split()]
    for option in options
}
# Words of the parser, as patterns -> ours.
TERMS = {
    "not a valid int(eger| range)": "no whole number",
    r"not in the range x>=(\d+)": r"less than \1",
    r"'(--?\w[\w-]*)'": r"\1",
    r"^Option (.+) requires an argument\.$": r"\1 needs a value",
    r"^Option (.+) does not take a value\.$": r"\1 takes no value",
    r"^Missing (?:argument|option) '?(.+?)'?\.$": r"\1 is missing",
    r"(?s)^Invalid value for (.+?): (.*?)\.?$": r"\1: \2",
}  # from the words of the parser to those of ork
VALUE = r"-?\d[\d.:TZ+-]*|today|yesterday"  # rather of a parameter than the name of a task
MAY_BE_EMPTY = ("message",)  # for which one is made then
BUG_EXIT_CODE = 70
EPILOG = (
    "Exit codes: 0 done; 1 the answer is no; 2 usage; 3 not found or invalid; 4 store; "
    "5 lost a race; 70 a bug in ork; 124 timed out; 129, 130, 143 stopped."
)


def _commands() -> Iterator[tuple[str, tuple[str, str, str]]]:
    section = ""
    for row in TABLE.splitlines():
        if row.startswith("  "):
            name, place, line = row.split(maxsplit=2)
            yield name, (section, line, place)
        else:
            section = row


COMMANDS = dict(_commands())  # name -> section, line of help, place


class Command(TyperCommand):
    """A command of the table; where it has -n, -3 is -n 3, as in git.

    Of what it does not take it says where that belongs.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if names := next((param.opts for param in self.params if "-n" in param.opts), None):
            end = args.index("--") if "--" in args else len(args)
            counted = [
                word if before in names else re.sub(r"\A-(\d+)\Z", r"-n\1", word)
                for before, word in zip(["", *args], args[:end], strict=False)
            ]
            args = [*counted, *args[end:]]
        ctx.allow_extra_args = True
        rest: list[str] = super().parse_args(ctx, args)
        if not ctx.resilient_parsing:
            _refuse_empty(ctx, self.params)
            at_most_one({"--quiet": ctx.obj.muted, "--json": bool(ctx.params.get("as_json"))})
        if rest and not ctx.resilient_parsing:
            extra = f"too many arguments: {' '.join(map(shlex.quote, rest))}"
            raise UsageError(extra, hint=_belongs(ctx, rest[0]))
        return rest

    def format_help(self, ctx: Any, formatter: Any) -> None:
        formatter.width = min(formatter.width, TEXT_COLUMNS_MAX)
        super().format_help(ctx, formatter)


def _refuse_empty(ctx: Any, params: Sequence[Any]) -> None:
    """Raise UsageError where an option is given without a text: a script lacked what it names."""
    for param in params:
        value = ctx.params.get(param.name)
        is_empty = value == "" or (isinstance(value, tuple | list) and "" in value)
        is_given = is_empty and ctx.get_parameter_source(param.name).name == "COMMANDLINE"
        if is_given and param.param_type_name == "option" and param.name not in MAY_BE_EMPTY:
            name = max(param.opts, key=len)
            raise UsageError(f"{name} is empty", hint="give it a value, or leave it out")


class Commands(TyperGroup):
    """The table of commands; each is imported when it is asked for, so that ork starts fast."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_help_option(self, ctx: Any) -> Any:
        option = super().get_help_option(ctx)
        if option:
            option.hidden = True  # whoever reads the list has found it; the list fits a screen
        return option

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return _built(cmd_name) if cmd_name in COMMANDS else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        session: Session = ctx.obj
        session.started_in = Path(*ctx.params["folders"] or ())
        session.store_option = ctx.params["store"] or ""
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            raise UsageError(f"no command named {args[0]!r}", hint=_meant(args[0]))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands by sections, their names on lines of their own in a narrow column."""
        width = formatter.width
        column = (width - APART) // 2 if width >= BESIDE_MIN else width
        blocks: list[list[Line]] = []
        for section, rows in groupby(COMMANDS.items(), key=lambda row: row[1][0]):
            told = {name: line for name, (_, line, _) in rows}
            lines: list[Line] = [[f"{name:<9}", f"  {line}"] for name, line in told.items()]
            if section == PLUMBING:
                lines = [[", ".join(told)]]
            if column < ROW_COLUMNS:
                lines = [[section], *fitted_lines((["  ", *line] for line in lines), column)]
            else:
                lines = [
                    [f"{'' if index else section:<11}  ", *line] for index, line in enumerate(lines)
                ]
            blocks.append(lines)
        formatter.write("\n")
        for line in abreast(blocks, width):
            formatter.write(f"{plain(line)}\n")

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the exit codes right below the commands, so that all of it fits on a screen."""
        with formatter.indentation():
            formatter.write_text(EPILOG)


def _meant(word: str) -> str:
    """Return a hint for a word that is no command: what another tool means by it, or one near."""
    if commands := OTHER_WORDS.get(word):
        said = " or ".join(f"`ork {command}`" for command in commands.split(", "))
        return f"the word for that here is {said}"
    if word in NO_COMMANDS:
        return NO_COMMANDS[word]
    near = did_you_mean(word, COMMANDS, at_most=2, form="`ork {}`")
    return near or "`ork --help` lists the commands"


def _belongs(ctx: Any, word: str) -> str:
    """Return a hint where a word belongs that stands behind all that a command takes."""
    from ork.store.revision import as_word  # what only an error needs

    command, params = ctx.info_name, ctx.params
    given = params.get("inputs") or []
    pair = f"{given[-1]}={word}" if given and "=" not in given[-1] else word
    if "inputs" in params and "=" not in pair and re.fullmatch(VALUE, word):
        known = {*_params_of(ctx.obj)}
        pair = f"{known.pop() if len(known) == 1 else 'NAME'}={word}"
    if "inputs" in params and "=" in pair:
        return f"a parameter is given as `-i {as_word(pair)}`"
    typed = as_word(word)
    if command == "run" and "." not in word:  # which is no file
        return f"`--only {typed}` runs that task alone, `--until {typed}` what it needs as well"
    revision = params.get("revision")
    if command in ("logs", "outputs", "show") and revision and ":" not in revision:
        part = as_word(f"{revision}:{word}")
        return f"a part is written with a colon: `ork {command} {part}`"
    if command == "bisect":
        return f"`ork {BISECT}` names the two ends, and `--cmd COMMAND` what judges each run"
    if command == "status":
        return f"`ork diff {typed}` compares one workflow with its file"
    return f"`ork {command} --help` explains it"


def find_command(name: str) -> Any:
    """Import and return the function of a command."""
    module, _, attribute = COMMANDS[name][2].partition(":")
    return getattr(import_module(f"ork.cli.{module}"), attribute)


@cache
def _built(name: str) -> Any:
    """Return a command as it is parsed, read from its function once in a process."""
    single = typer.Typer(add_completion=False, rich_markup_mode=None)
    help_names = {"help_option_names": ["-h", "--help"]}
    single.command(name, cls=Command, context_settings=help_names)(find_command(name))
    command: Any = typer.main.get_command(single)
    for param in command.params:
        if param.param_type_name == "argument" and param.metavar is None:
            param.metavar = param.name.upper()  # as where a command says how it is called
    if name in QUIET:
        command.params.insert(-1, _quiet())  # above --json
    return command


def _quiet() -> Any:
    """Return the option that silences a command: it sets what the session prints."""

    def mute(ctx: Any, _: Any, asked: bool) -> None:
        if ctx.obj is not None:
            ctx.obj.muted = asked

    names, told = ["-q", "--quiet"], "Print only warnings, and what went wrong."
    return TyperOption(
        param_decls=names, is_flag=True, default=False, help=told, expose_value=False, callback=mute
    )


app = typer.Typer(
    cls=Commands,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        sys.stdout.write(f"ork {version('ork-workflows')}\n")
        raise typer.Exit


@app.callback()
def options(
    ctx: typer.Context,
    folders: Annotated[
        list[Path] | None,
        typer.Option("-C", metavar="FOLDER", help="Work as if started in this folder."),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="PLACE", help="Use the store of this folder or URL, not the .ork here."
        ),
    ] = None,
    at_op: Annotated[
        str | None,
        typer.Option(metavar="OP", help="Read all names as they were after this operation."),
    ] = None,
    color: Annotated[str, typer.Option(metavar="WHEN", help="auto, always or never.")] = "auto",
    no_pager: Annotated[bool, typer.Option("--no-pager", help="Never start a pager.")] = False,
    version: Annotated[
        bool,
        typer.Option("-V", "--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Keep workflows the way git keeps source, and run them."""
    session: Session = ctx.obj
    if color not in ("auto", "always", "never"):
        raise UsageError(f"--color {color}: say auto, always or never")
    if at_op is not None and ctx.invoked_subcommand in WRITERS:
        raise UsageError(
            f"--at-op only reads, and `ork {ctx.invoked_subcommand}` writes",
            hint="`ork undo` and `ork rollback` go back",
        )
    for folder in folders or ():
        try:
            os.chdir(folder)
        except OSError as error:
            raise UsageError(f"-C {folder}: {error.strerror}") from None
    session.color, session.pager, session.at_op = color, not no_pager, at_op
    if store:
        session.use(store)


@cache
def program() -> Any:
    """Return the whole command line as it is parsed, built once in a process."""
    return typer.main.get_command(app)


def main(argv: Sequence[str], *, world: World | None = None) -> int:
    """Run one command line and return its exit code."""
    words = list(argv)
    if words[:1] == ["help"]:  # as `git help log`
        words = [*words[1:2], "--help"]
    session = Session(world or World(), tuple(words))
    signals.note(None)
    width = session.width and max(session.width, WIDTH_MIN)
    try:
        # Not by its `main`, which takes any pipe that broke for the end of our output.
        with (
            watched(Shown(session.world.environ)),
            program().make_context("ork", words, obj=session, terminal_width=width) as ctx,
        ):
            program().invoke(ctx)
        sys.stdout.flush()
        return 0
    except OrkError as error:
        meant = OTHER_PAIRS.get(" ".join(words[:2]))
        if meant and error.message.endswith(f" named {words[1]!r}"):
            error.hint = f"the words for that here are `ork {meant}`"
        _print_error(session, error)
        return error.exit_code
    except typer._click.exceptions.ClickException as error:
        sys.stdout.flush()
        return _usage(session, error)
    except typer.Exit as error:
        refused = _refused(session, session.lost[0]) if session.lost else 0
        return error.exit_code or refused
    except (KeyboardInterrupt, typer.Abort):
        return signals.interrupted()
    except OSError as error:
        if isinstance(error, BrokenPipeError) and not _has_reader(sys.stdout):
            # The reader of our output went away (`ork log | head`): nothing is wrong.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        return _refused(session, error)
    except Exception as problem:
        if str(problem) == "can't start new thread":  # a RuntimeError, which has no number
            hint = "end some processes, or allow more (`ulimit -u`), then run the command again"
            _print_error(session, StoreError("no thread can be started", hint=hint))
            return StoreError.exit_code
        traceback.print_exc()
        sys.stderr.write("error: this is a bug in ork; please report it with the lines above\n")
        return BUG_EXIT_CODE
    finally:
        session.close()


def entry() -> NoReturn:
    """Start ork from the shell; never return. To profile or to trace a command, call `main`."""
    if sys.getfilesystemencoding() != "utf-8":
        # Names of files are text that is hashed: in every locale the one that others see.
        words = Path("/proc/self/cmdline").read_bytes().split(b"\0")[1:-1]
        os.execv(sys.executable, [os.fsencode(sys.executable), b"-X", b"utf8", *words])
    _open_standard_streams()
    if getattr(sys.stdout, "write_through", False):  # PYTHONUNBUFFERED: a system call for each word
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
        sys.stderr.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]
    try:
        signals.unwind()
        code = main(sys.argv[1:])
    except KeyboardInterrupt:  # before it began, or while the store was closed
        code = signals.interrupted()
    # What else Python does at its end is to free memory, module by module, which takes a tenth of
    # a short command: all of it goes with the process.
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # nobody reads it, it is closed
            stream.flush()
    signals.end(code)


def _open_standard_streams() -> None:
    """Open a stream that was closed when ork started (`>&-`), before a file takes its number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
        if getattr(sys, name) is None:
            stream = open(number, "w" if number else "r", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)


def _refused(session: Session, error: OSError) -> int:
    """Say what the system refused, be it our own output, on what is left of the two streams."""
    from ork.cli.screen.output import DISK_FAILED, HINTS

    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    words, hint = error.strerror or str(error), HINTS.get(error.errno or 0)
    if error.filename is not None:
        words = f"{os.fsdecode(error.filename)}: {words}"
    elif error.errno == errno.ENOENT and os.stat(".").st_nlink == 0:
        words = "the folder that you are in was removed"
        hint = "go to one that is there, as by `cd ~`"
    elif error.errno in DISK_FAILED:
        words = f"cannot write: {words}"
    with suppress(OSError):  # there may be no other stream that takes it
        _print_error(session, StoreError(words, hint=hint))
    return StoreError.exit_code


def _has_reader(stream: TextIO) -> bool:
    """Say whether somebody still reads what we print: another pipe may have broken."""
    poll = select.poll()
    poll.register(stream.fileno(), 0)
    return not any(found & (select.POLLERR | select.POLLHUP) for _, found in poll.poll(0))


def _usage(session: Session, error: Any) -> int:
    """Print what is wrong with a command line, in ork's own form."""
    message = error.format_message()
    for term, said in TERMS.items():
        message = re.sub(term, said, message)
    ctx = getattr(error, "ctx", None)
    option = getattr(error, "option_name", None)
    path = ctx.command_path if ctx else "ork"
    if ctx and message.endswith(" is missing"):
        message = _word_missing(ctx) or message
    if not ctx and option and (command := _command_with(option, session.argv)):
        path = f"ork {command}"  # of an option without its value it does not say where it stood
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.stdout.write(message + "\n")
        return UsageError.exit_code
    hint = f"`{path} --help` explains it"
    if type(error).__name__ == "NoSuchOption":
        message = f"there is no option {option}"
        hint = _option_meant(session, ctx, str(option)) or hint
    if option in BEFORE_COMMAND and ctx and ctx.parent:
        message = f"{option} is an option of ork itself"
        value = "" if option in ("--no-pager", "--version") else " ..."
        hint = f"it stands before the command: `ork {option}{value} {ctx.info_name}`"
    elif option and ctx and not ctx.parent and (command := _command_with(option, session.argv)):
        message = f"{option} is an option of `ork {command}`"
        hint = f"it stands after the command: `ork {command} {option}`"
    _print_error(session, UsageError(message, hint=hint))
    return UsageError.exit_code


def _word_missing(ctx: Any) -> str | None:
    """Return what is wrong where the word that says what a command is to do is not there.

    Its metavar lists them, and no name in capital letters.
    """
    arguments = (param for param in ctx.command.params if param.param_type_name == "argument")
    first = next(arguments, None)
    if not (first and re.fullmatch(r"[a-z|-]+", first.metavar)):
        return None
    words = first.metavar.split("|")
    if (given := ctx.params.get(first.name)) in words:
        return None
    place = f"before {quoted(given)}" if given else "behind it"
    return f"`{ctx.command_path}` needs a word {place}: {' or '.join(words)}"


def _option_meant(session: Session, ctx: Any, option: str) -> str | None:
    """Return a hint for an option that a command does not have."""
    if known := OTHER_OPTIONS.get((ctx.info_name, option)) or OTHER_OPTIONS.get(("", option)):
        return known
    names = [name for param in ctx.command.params for name in (*param.opts, *param.secondary_opts)]
    long = [name for name in names if name.startswith("--")]
    # The dashes are no letters that are right: `--port` is not nearly `--host`.
    words = [name[2:] for name in long]
    near = did_you_mean(option[2:], words, form="`--{}`") if option.startswith("--") else None
    if not near and "--input" in long:
        params = alike(option.lstrip("-"), _params_of(session))
        return f"a parameter is given as `-i {params[0]}=VALUE`" if params else None
    return near


def _params_of(session: Session) -> Iterator[str]:
    """Yield the parameters of the files that a line names, and of what is deployed."""
    from ork.store.revision import ENDINGS
    from ork.store.runs import params_known
    from ork.worktree.load import check

    with suppress(OrkError):
        for word in session.argv:
            if word.endswith(ENDINGS):
                yield from check(word).definition.params
        yield from params_known(session.unsettled(), None)


def _command_with(option: str, words: Sequence[str]) -> str | None:
    """Return the command on a line, if it has this option."""
    name = next((word for word in words if word in COMMANDS), None)
    return name if name and any(option in param.opts for param in _built(name).params) else None


def _print_error(session: Session, error: OrkError) -> None:
    from ork.cli.screen.errors import print_error  # which commands that succeed do without

    print_error(session, error)
