"""The command line: the table of commands, the options for all, and the way out.

`main` is the only place that turns an error into words and an exit code.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ork.cli.session import Session, World
from ork.errors import Ambiguous, InvalidInput, OrkError, StoreError, UsageError

SECTIONS = {
    "Definitions": ("init", "check", "deploy", "status"),
    "History": ("log", "diff", "show", "blame", "bisect", "graph", "report"),
    "Moving": ("rollback", "restore", "tag", "ops", "undo"),
    "Runs": ("run", "retry", "cancel", "runs", "watch", "logs", "outputs"),
    "In and out": ("export", "import"),
    "Plumbing": ("rev-parse", "cat-object", "hash-object", "ls-tree"),
}
# Where a command lives below ork.cli: MODULE:FUNCTION; else `command` in a module of its name.
MODULES = {
    "bisect": "history.bisect",
    "blame": "history.blame",
    "cancel": "runs.run:cancel",
    "check": "heads.check",
    "deploy": "heads.deploy",
    "diff": "history.diff",
    "export": "git",
    "graph": "pictures.command",
    "init": "heads.init",
    "log": "history.log",
    "logs": "runs.logs:logs",
    "ops": "heads.operations",
    "outputs": "runs.list:outputs",
    "report": "history.report",
    "restore": "heads.restore",
    "retry": "runs.run:retry",
    "rev-parse": "plumbing",
    "rollback": "heads.move",
    "run": "runs.run:run",
    "runs": "runs.list:runs",
    "show": "history.show",
    "status": "heads.status",
    "tag": "heads.tag",
    "undo": "heads.undo",
    "watch": "runs.watch:watch",
}
# What changes the store, or might: not with --at-op. (`tag` decides by its arguments.)
WRITERS = ("init", "deploy", "rollback", "undo", "import", "run", "retry", "cancel", "bisect")
BEFORE_COMMAND = ("-C", "--store", "--at-op", "--color", "--no-pager", "--version")
BUG_EXIT_CODE = 70
UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
EPILOG = (
    "Exit codes: 0 done; 1 the answer is no (a task failed, a difference with --exit-code); "
    "2 usage; 3 not found, ambiguous or invalid; 4 store; 5 lost a race; 124 timed out; "
    "130 interrupted; 70 a bug in ork."
)


def find_command(name: str) -> Callable[..., None]:
    """Import and return the function of a command."""
    module, _, function = MODULES.get(name, name.replace("-", "_")).partition(":")
    command: Callable[..., None] = getattr(
        import_module(f"ork.cli.{module}"), function or "command"
    )
    return command


class Commands(TyperGroup):
    """The table of commands; each is imported when it is asked for, so that ork starts fast."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [name for names in SECTIONS.values() for name in names]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in self.list_commands(ctx):
            return None
        single = typer.Typer(add_completion=False, rich_markup_mode=None)
        help_names = {"help_option_names": ["-h", "--help"]}
        single.command(cmd_name, context_settings=help_names)(find_command(cmd_name))
        return typer.main.get_command(single)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and not args[0].startswith("-") and args[0] not in self.list_commands(ctx):
            from difflib import get_close_matches

            near = get_close_matches(args[0], self.list_commands(ctx), n=1)
            hint = f"did you mean `ork {near[0]}`?" if near else "`ork --help` lists the commands"
            raise UsageError(f"no command named {args[0]!r}", hint=hint)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        for section, names in SECTIONS.items():
            rows = []
            for name in names:
                command = self.get_command(ctx, name)
                rows.append((name, command.get_short_help_str(limit=100)))
            with formatter.section(section):
                formatter.write_dl(rows)


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
    directory: Annotated[
        Path | None, typer.Option("-C", help="Work as if started in this folder.")
    ] = None,
    store: Annotated[
        Path | None, typer.Option("--store", help="Use this store instead of the .ork found here.")
    ] = None,
    at_op: Annotated[
        str | None,
        typer.Option(
            "--at-op",
            metavar="OP",
            help="Read the heads and tags as they were after this operation (`ork ops`).",
        ),
    ] = None,
    color: Annotated[str, typer.Option(help="auto, always or never.")] = "auto",
    no_pager: Annotated[bool, typer.Option("--no-pager", help="Never start a pager.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Keep workflows the way git keeps source, and run them: every run records what it executed."""
    session: Session = ctx.obj
    if color not in ("auto", "always", "never"):
        raise UsageError(f"--color {color}: say auto, always or never")
    if at_op is not None and ctx.invoked_subcommand in WRITERS:
        raise UsageError(
            f"--at-op only reads, and `ork {ctx.invoked_subcommand}` writes",
            hint="`ork undo` and `ork rollback` go back",
        )
    if directory is not None:
        try:
            os.chdir(directory)
        except OSError as error:
            raise UsageError(f"-C {directory}: {error.strerror}") from None
    session.color, session.pager, session.at_op = color, not no_pager, at_op
    session.store_path = store.absolute() if store else None


def main(argv: Sequence[str], *, world: World | None = None) -> int:
    """Run one command line and return its exit code."""
    session = Session(world or World(), tuple(argv))
    try:
        command = typer.main.get_command(app)
        result = command.main(list(argv), prog_name="ork", obj=session, standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except OrkError as error:
        _print_error(session, error)
        return error.exit_code
    except typer._click.exceptions.ClickException as error:
        sys.stdout.flush()
        return _usage(session, error)
    except typer.Exit as error:
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except BrokenPipeError:
        # The reader of our output went away (`ork log | head`): nothing is wrong.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        if isinstance(error, OSError) and error.errno in UNWRITABLE and error.filename is None:
            return _cannot_write(error)
        _print_bug()
        return BUG_EXIT_CODE
    finally:
        session.close()


def entry() -> None:
    """Start ork from the shell."""
    import gc

    # A command lives shortly and makes few cycles: looking for them only costs time. What lives
    # long, a run, turns the collector on again.
    gc.disable()
    _open_standard_streams()
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
        sys.stderr.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]
    sys.exit(main(sys.argv[1:]))


def _open_standard_streams() -> None:
    """Let what was started with a closed stream (`>&-`) write to nowhere, not to our next file."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
        if getattr(sys, name) is None:
            stream = open(number, "w" if number else "r", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)


def _cannot_write(error: OSError) -> int:
    """Say that the disk is full, or the terminal gone, on what is left of the two streams."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(nowhere, stream.fileno())
    sys.stderr.write(f"error: cannot write: {error.strerror}\n")
    return StoreError.exit_code


def _usage(session: Session, error: Any) -> int:
    message = error.format_message()
    ctx = getattr(error, "ctx", None)
    path = ctx.command_path if ctx else "ork"
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.stdout.write(message + "\n")
        return 2
    hint = f"`{path} --help` explains it"
    option = getattr(error, "option_name", None)
    if option in BEFORE_COMMAND and ctx and ctx.parent:
        message = f"{option} is an option of ork itself"
        value = "" if option in ("--no-pager", "--version") else " ..."
        hint = f"it stands before the command: `ork {option}{value} {ctx.info_name}`"
    _print_error(session, UsageError(message, hint=hint))
    return 2


def _print_error(session: Session, error: OrkError) -> None:
    from ork.cli.screen.errors import error_view

    sys.stdout.flush()
    if "--json" in session.argv:
        from ork.cli.screen.line import json_text

        document = {
            "message": error.message,
            "hint": error.hint,
            "exit_code": error.exit_code,
            "problems": error.problems if isinstance(error, InvalidInput) else [],
            "candidates": error.candidates if isinstance(error, Ambiguous) else [],
        }
        sys.stderr.write(json_text("error", document, indent=None) + "\n")
        return
    session.say(*error_view(error))


def _print_bug() -> None:
    import traceback

    traceback.print_exc()
    sys.stderr.write("error: this is a bug in ork; please report it with the lines above\n")
