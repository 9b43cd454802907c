"""Words of a command: those that may name files, and captured files in place of those that do."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ork.definition.command import captured_line, captured_words, file_words, pieces


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


@given(st.text(alphabet="ab \\'\"$`>&|;#\n()<-\u00a0", max_size=40), st.booleans())
def test_the_pieces_of_a_line_are_the_line(line: str, comments: bool) -> None:
    parts = list(pieces(line, comments=comments))
    assert "".join(piece.text for piece in parts) == line
    assert all(line.startswith(piece.text, piece.start) for piece in parts)


def test_words_in_backticks_and_process_substitutions_count() -> None:
    assert file_words("x=`a.sh b.sh`") == ("x=", "a.sh", "b.sh")
    assert file_words("x > >(a.sh)") == ("x", "a.sh")


def test_a_line_that_no_system_runs_costs_little() -> None:
    assert file_words("x" * 1_000_000 + " a.sh") == ("x" * 1_000_000, "a.sh")


FILES = frozenset({"load.sh", "tasks/etl.py", "my file.sh", "it's.sh", "-n"})


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("load.sh", "C/load.sh"),
        ("./load.sh a b", "C/load.sh a b"),
        ("sh ./tasks/../load.sh", "sh C/load.sh"),
        ("python tasks/etl.py --out=x", "python C/tasks/etl.py --out=x"),
        ("true&&load.sh;load.sh|load.sh", "true&&C/load.sh;C/load.sh|C/load.sh"),
        ("cd tasks && load.sh ./etl.py", "cd tasks && load.sh C/tasks/etl.py"),
        ("cd tasks; cd ..; load.sh", "cd tasks; cd ..; C/load.sh"),
        ("(cd tasks; etl.py) load.sh", "(cd tasks; C/tasks/etl.py) C/load.sh"),
        ("cd $X; load.sh; cd tasks; etl.py", "cd $X; load.sh; cd tasks; etl.py"),
        ("cd /tmp; load.sh", "cd /tmp; load.sh"),
        ("cd -; load.sh", "cd -; load.sh"),
        ("(load.sh)\nload.sh", "(C/load.sh)\nC/load.sh"),
        ("x=$(load.sh) y=`load.sh`", "x=$(C/load.sh) y=`C/load.sh`"),
        ("'load.sh' \"load.sh\" lo\\ad.sh", "C/load.sh C/load.sh C/load.sh"),
        ("'my file.sh' my\\ file.sh", "'C/my file.sh' 'C/my file.sh'"),
        ('"it\'s.sh"', "'C/it'\"'\"'s.sh'"),
        ("cat < load.sh", "cat < C/load.sh"),
        ("sh <load.sh >load.sh", "sh <C/load.sh >load.sh"),
        ("x > load.sh", "x > load.sh"),
        ("x >> load.sh; load.sh", "x >> load.sh; C/load.sh"),
        ("x 2>load.sh >|load.sh &> load.sh", "x 2>load.sh >|load.sh &> load.sh"),
        ("x 2>&1 load.sh", "x 2>&1 C/load.sh"),
        ("x > y load.sh", "x > y C/load.sh"),
        ("true # load.sh\nload.sh", "true # load.sh\nC/load.sh"),
        ("cat <<END\nload.sh\nEND\n", "cat <<END\nload.sh\nEND\n"),
        ("load.sh <<< load.sh", "C/load.sh <<< C/load.sh"),
        ("$HOME/load.sh ~/load.sh load.s?", "$HOME/load.sh ~/load.sh load.s?"),
        ("echo 'load.sh x' xload.sh load.sh.bak", "echo 'load.sh x' xload.sh load.sh.bak"),
        ("/load.sh ../load.sh x=load.sh", "/load.sh ../load.sh x=load.sh"),
        ("echo 'unfinished load.sh", "echo 'unfinished C/load.sh"),
        ("", ""),
    ],
)
def test_words_of_a_shell_line_that_name_captured_files(line: str, expected: str) -> None:
    assert captured_line(line, FILES, "C") == expected


@given(st.text(alphabet="ab ./'\"\\$`>&|;#\n()<-{}*=", max_size=40))
def test_a_line_without_captured_files_is_left_alone(line: str) -> None:
    assert captured_line(line, FILES, "C") == line
    assert captured_line(line, frozenset(), "C") == line


@given(st.sampled_from(sorted(FILES)), st.text(alphabet="/c '\"$`*\\é", min_size=1))
def test_replaced_words_are_quoted_for_the_shell(file: str, code: str) -> None:
    line = captured_line(f"x {shlex.quote(file)}", FILES, code)
    assert shlex.split(line) == ["x", f"{code}/{file}"]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("load.sh", "C/load.sh"),
        ("./load.sh", "C/load.sh"),
        (".//tasks/./etl.py", "C/tasks/etl.py"),
        ("my file.sh", "C/my file.sh"),
        ("-n", "C/-n"),
        ("/load.sh", "/load.sh"),
        ("tasks", "tasks"),
        ("> load.sh", "> load.sh"),
        ("", ""),
    ],
)
def test_words_that_name_captured_files(word: str, expected: str) -> None:
    assert captured_words([word, word], FILES, "C") == [expected, expected]


def test_the_line_of_a_shell_is_looked_into() -> None:
    words = ["/bin/bash", "-ec", "load.sh > load.sh", "load.sh"]
    expected = ["/bin/bash", "-ec", "C/load.sh > load.sh", "C/load.sh"]
    assert captured_words(words, FILES, "C") == expected
    assert captured_words(["echo", "-c", "x load.sh"], FILES, "C") == ["echo", "-c", "x load.sh"]
