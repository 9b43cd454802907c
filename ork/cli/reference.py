"""docs/cli.md from the help of the commands: `make docs` writes it, a test compares it."""

from __future__ import annotations

import sys
from typing import Any

import typer

from ork.cli.app import COMMANDS, Commands, app
from ork.cli.session import Session, World

WIDTH = 80


def reference() -> str:
    """Return the text of docs/cli.md."""
    group: Any = typer.main.get_command(app)
    assert isinstance(group, Commands)
    parts = [
        "# Command line\n\nMade from the help of the commands by `make docs`.\n",
        _page(group, "ork", "##"),
    ]
    above = None
    for name, (section, _, _) in COMMANDS.items():
        if section != above:
            parts.append(f"## {section}\n")
        above = section
        parts.append(_page(group.get_command(None, name), f"ork {name}", "###"))
    return "\n".join(parts)


def _page(command: Any, title: str, level: str) -> str:
    context = command.make_context(
        title,
        ["--help"],
        resilient_parsing=True,
        obj=Session(World(), ()),
        terminal_width=WIDTH,
        max_content_width=WIDTH,
    )
    return f"{level} {title}\n\n```text\n{command.get_help(context)}\n```\n"


if __name__ == "__main__":
    sys.stdout.write(reference())
