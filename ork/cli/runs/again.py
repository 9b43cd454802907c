"""ork run --watch: a workflow is deployed and run again on every save of what it consists of."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from ork.cli.screen.errors import error_view
from ork.cli.session import Session
from ork.errors import InvalidInput, NotFound, OrkError, UsageError
from ork.worktree.load import check

TOGETHER_MS = 200  # saves that belong together, as of all open files of an editor
LOOK_MS = 2000  # between two looks, for what was saved just before the watching began


def on_every_save(session: Session, path: Path, run: Callable[[], None]) -> NoReturn:
    """Run whenever the definition in a file, or the code that it calls, is another than before.

    What is wrong with it is told once, and then waited for. Only an interrupt ends this, or what
    `run` raises.
    """
    _need_watchfiles()
    done: object = None
    wrong, root = "", path.parent
    while True:
        try:
            loaded = check(path)
        except (InvalidInput, NotFound) as error:  # as while git writes it anew
            if (now := f"{error.message}{getattr(error, 'problems', '')}") != wrong:
                session.say(*error_view(error))
            wrong = now
            _wait(root)
            continue
        root, found = loaded.root, (loaded.snapshot, loaded.definition.settings)
        if found == done:
            if wrong:
                session.say([("good again: ", "success"), f"{path} is as it ran, nothing to run"])
            wrong = ""
            _wait(root)
            continue
        done, wrong = found, ""
        try:
            run()
        except OrkError as error:
            session.say(*error_view(error))
        session.say([("watching ", "hint"), f"{path}, and the code that it calls; Ctrl-C ends"])


def _wait(root: Path) -> None:
    """Wait until something below a folder was saved, or a moment."""
    if not root.is_dir():  # it is away, as the file may be
        time.sleep(LOOK_MS / 1000)
        return
    from watchfiles import DefaultFilter, watch

    changes = watch(
        root,
        watch_filter=DefaultFilter(ignore_dirs=(*DefaultFilter.ignore_dirs, ".ork")),
        debounce=TOGETHER_MS,
        rust_timeout=LOOK_MS,
        yield_on_timeout=True,
    )
    next(changes, None)
    changes.close()


def _need_watchfiles() -> None:
    from importlib.util import find_spec

    if find_spec("watchfiles") is None:
        raise UsageError(
            "--watch needs watchfiles", hint="`pip install 'ork-workflows[watch]'` installs it"
        )
