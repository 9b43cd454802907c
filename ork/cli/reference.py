"""docs/cli.md and the pages of the manual, from the help of the commands.

`make docs` writes them, a test compares them. The form of a page is that of man(7).
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from ork.cli.app import COMMANDS, EPILOG, Commands, app
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
    text = command.get_help(_context(command, title))
    return f"{level} {title}\n\n```text\n{text}\n```\n"


def _context(command: Any, title: str) -> Any:
    return command.make_context(
        title,
        ["--help"],
        resilient_parsing=True,
        obj=Session(World(), ()),
        terminal_width=WIDTH,
        max_content_width=WIDTH,
    )


def manual() -> dict[str, str]:
    """Return the pages of the manual: the name of each file in section 1, and its text."""
    group: Any = typer.main.get_command(app)
    pages = {"ork.1": _manual_page("ork", group, app.registered_callback.callback.__doc__ or "")}  # type: ignore[union-attr]
    for name in COMMANDS:
        command = group.get_command(None, name)
        pages[f"ork-{name}.1"] = _manual_page(f"ork-{name}", command, command.help)
    return pages


def _manual_page(title: str, command: Any, text: str) -> str:
    context = _context(command, title)
    line, _, rest = inspect.cleandoc(text).partition("\n")
    rest = rest.replace("\b\n", "")
    usage = (title.replace("-", " ", 1), *command.collect_usage_pieces(context))
    parts = [
        f'.TH "{title.upper()}" "1" "" "ork" "ork"\n.nh',
        f".SH NAME\n{_roff(title)} \\- {_roff(line)}",
        f".SH SYNOPSIS\n{_roff(' '.join(usage))}",
    ]
    if rest.strip():
        parts.append(f".SH DESCRIPTION\n{_paragraphs(rest)}")
    for kind, head in (("argument", "ARGUMENTS"), ("option", "OPTIONS")):
        if rows := [row for param in command.params for row in _row(param, kind, context)]:
            parts.append(f".SH {head}\n" + "\n".join(rows))
    if title == "ork":
        rows = [
            f".TP\n.B {_roff('ork ' + name)}\n{_roff(line)}"
            for name, (_, line, _) in COMMANDS.items()
        ]
        parts.append(".SH COMMANDS\n" + "\n".join(rows))
        parts.append(f".SH EXIT STATUS\n{_roff(EPILOG.partition(': ')[2])}")
    else:
        parts.append(".SH SEE ALSO\n.BR ork (1)")
    return "\n".join(parts) + "\n"


def _row(param: Any, kind: str, context: Any) -> Iterator[str]:
    if param.param_type_name == kind and not param.hidden:
        names = ", ".join([*param.opts, *param.secondary_opts])
        if kind == "argument":
            names = param.make_metavar(context)
        elif not param.is_flag:
            names += " " + param.make_metavar(context)
        yield f".TP\n.B {_roff(names)}\n{_roff(param.help or '')}"


def _paragraphs(text: str) -> str:
    """Return text in paragraphs; what is indented or listed below a line with a colon stays."""
    found = []
    for paragraph in re.split(r"\n\s*\n", text.strip("\n")):
        head, _, body = paragraph.partition("\n")
        if head == "Example:":
            lines = inspect.cleandoc(body)
            found.append(f".SH EXAMPLES\n.nf\n{_roff(lines)}\n.fi")
        else:
            found.append(f".PP\n{_roff(paragraph)}")
    return "\n".join(found).removeprefix(".PP\n")


def _roff(text: str) -> str:
    """Return text in which every sign is itself, and no line of which is a request."""
    text = re.sub(r"[\\'`^~]|[^\n -~]", lambda sign: f"\\[u{ord(sign[0]):04X}]", text)
    return re.sub(r"(?m)^(?=\.)", r"\\&", text.replace("-", "\\-"))


if __name__ == "__main__":
    if folder := sys.argv[1:]:
        for name, text in manual().items():
            (Path(folder[0]) / name).write_text(text)
    else:
        sys.stdout.write(reference())
