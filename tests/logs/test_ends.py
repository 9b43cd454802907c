"""The end of a log, by which one sees what went wrong."""

from __future__ import annotations

import re

import pytest

from tests.conftest import Ork

CODE = """\
    import json, sys
    def deep():
        return inner("{x")
    def inner(text):
        return json.loads(text)
    def several():
        deep()
    def caught():
        try:
            deep()
        except ValueError:
            import traceback
            traceback.print_exc()
        for number in range(9):
            print("line", number, flush=True)
        sys.exit(3)
    def own():
        raise ValueError("\\n".join(map(str, range(12))))
    def exit():
        sys.exit(1)
    def recursion():
        return again()
    def again():
        return recursion()
"""


def ends(ork: Ork, *names: str) -> str:
    tasks = "".join(
        f"      {name}: {{executor: python, file: code.py, function: {name.partition('_')[0]}}}\n"
        for name in names
    )
    ork.write("flow.yaml", f"    name: flow\n    tasks:\n{tasks}")
    ork.write("code.py", CODE)
    done = ork("run", "flow.yaml")
    assert done.code == 1
    return done.err[done.err.index("--- the end") : done.err.index("next:")]


def test_of_a_traceback_that_ends_in_a_library_the_last_own_frame_is_shown(ork: Ork) -> None:
    lines = ends(ork, "deep").splitlines()
    assert lines[0] == "--- the end of the log of deep"
    assert lines[1].endswith('/code.py", line 5, in inner')
    assert lines[2] == "    return json.loads(text)"
    assert "  ..." in lines
    after = lines[lines.index("  ...") + 1]
    assert after.startswith('  File "') and "/json/" in after, "and then a whole frame"
    assert lines[-2].startswith("json.decoder.JSONDecodeError: ")
    assert lines[-1] == "---"
    assert len(lines) <= 12


def test_a_command_that_is_written_in_python_is_read_alike(ork: Ork) -> None:
    ork.write("code.py", CODE + "    deep()\n")
    ork.write("flow.yaml", "name: flow\ntasks: {a: {executor: process, command: python code.py}}\n")
    assert "return json.loads(text)\n" in ork("run", "flow.yaml").err


@pytest.mark.parametrize("name", ["caught", "own", "recursion"])
def test_other_ends_are_the_last_lines(ork: Ork, name: str) -> None:
    first, *lines, last = ends(ork, name).splitlines()
    assert (first, last) == (f"--- the end of the log of {name}", "---")
    whole = ork("logs", f"flow#1:{name}").out.splitlines()
    assert len(whole) > 10
    assert lines == whole[-10:]


@pytest.mark.slow
def test_an_end_that_several_tasks_have_is_told_once(ork: Ork) -> None:
    names = [f"deep_{number}" for number in range(8)]
    text = ends(ork, *names, "own", "several")
    assert text.count("--- the end of the log") == 2
    first = r"--- the end of the log of deep_\d, and the same of (deep_\d, ){4}deep_\d and 3 more\n"
    assert re.search(first, text), "in the order in which they failed"
    assert "note" not in text
    more = ends(ork, *names, "own", "recursion", "caught_1", "caught_2", "exit_1", "exit_2")
    assert more.count("--- the end of the log") == 3
    assert "note: the ends of 1 more log: `ork logs flow#2 --failed`\n" in more
