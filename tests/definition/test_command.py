"""Words of a command that may name files."""

from __future__ import annotations

import pytest

from ork.definition.command import file_words


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("./load.sh", ["./load.sh"]),
        ("python a.py x.csv", ["python", "a.py", "x.csv"]),
        ("a.sh>out.txt", ["a.sh"]),
        ("a.sh >> out.txt 2> err.txt", ["a.sh", "2"]),
        ("a.sh &> all.txt; b.sh", ["a.sh", "b.sh"]),
        ("a.sh < in.txt", ["a.sh", "in.txt"]),
        ("cat <<END", ["cat"]),
        ("a.sh && b.sh|c.sh;(d.sh)", ["a.sh", "b.sh", "c.sh", "d.sh"]),
        ("'my file.sh' \"b c\"", ["my file.sh", "b c"]),
        ("a.sh \\\n  b.sh\nc.sh", ["a.sh", "\n", "b.sh", "c.sh"]),
        ("cd sub && python x.py", ["cd", "sub", "python", "sub/python", "x.py", "sub/x.py"]),
        ("cd a; cd b; ./c", ["cd", "a", "a/cd", "b", "./c", "a/b/./c"]),
        ("echo it's a.sh", ["echo", "it", "s", "a.sh"]),
        ("a.sh a.sh", ["a.sh"]),
        ("", []),
    ],
)
def test_a_line_is_split_as_the_shell_does(line: str, words: list[str]) -> None:
    assert [w for w in file_words(line) if w != "\n"] == [w for w in words if w != "\n"]


def test_of_a_list_every_word_counts() -> None:
    assert file_words(("a b.sh", ">", "x")) == ("a b.sh", ">", "x")


def test_the_line_for_a_shell_is_split_too() -> None:
    assert file_words(("sh", "-ec", "./a.sh > out")) == ("sh", "-ec", "./a.sh > out", "./a.sh")
    assert "./a.sh" not in file_words(("python", "-c", "./a.sh x"))


def test_a_line_that_no_system_runs_costs_little() -> None:
    assert file_words("x" * 1_000_000 + " a.sh") == ("x" * 1_000_000, "a.sh")
