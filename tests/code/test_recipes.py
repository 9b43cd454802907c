"""What Makefiles and justfiles execute."""

from __future__ import annotations

import pytest

from ork.code import recipes
from ork.code.recipes import read_just, read_make
from tests.code.test_shell import executed


@pytest.mark.parametrize(
    ("text", "uses"),
    [
        ("all: x\n\t@-./a $@\nx:\n\tsh b.sh; ./c\n", "program a, script b.sh, program c"),
        ("PY := python3 -u\nD = d\nall:\n\t$(PY) $(D)/a.py ${ARGS}\n", "script d/a.py"),
        ("all:\n\tcd s && \\\n\t./a; ./b\n\t./c\n", "program s/./a, program s/./b, program c"),
        (
            "A = x\nA = y\nB += z\nall:\n\t./$(A); ./$(B); ./$<; $(C)\n",
            "program ?, program ?, program ?, program ?",
        ),
        ("all:\n\tfor f in a b; do sh $$f.sh; done\n", "script a.sh|b.sh"),
        ("all:\n\t$(CC) -o x x.c; $(MAKE) -f y.mk; $(RM) z\n", "given x.c, script y.mk"),
        (
            "V := $(shell ./v.sh)\nW != ./w.sh\nall:\n\techo $(shell sh x.sh)\n",
            "program v.sh, program w.sh, script x.sh",
        ),
        ("include a.mk\n-include $(X).mk\n", "sourced a.mk, sourced ?"),
        (
            "define D\nX = 1\n\t./a\nendef\nall: X = 2\n\techo\nX ?= c\nb:\n\t./$(X)\n",
            "program a, program c",
        ),
        ("A = $(B)\nB = $(A)\nall:\n\t./$(A)\n", "program ?"),
        (".ONESHELL:\nall:\n\tcd s\n\tsh a.sh\nb:\n\tsh b.sh\n", "script s/a.sh, script b.sh"),
        ("all: x ; @sh a.sh\nx: y=1; z\nb:: ; sh b.sh\n", "script a.sh, script b.sh"),
        ("all:\n\t./$(wildcard *.x) $(call f,$(A))\n", "program ?"),
        ("all:\n\t@sed s/a/b/ t.sh > u.sh\n\tsh u.sh\n", "script u.sh"),
    ],
)
def test_what_a_makefile_executes(text: str, uses: str) -> None:
    assert ", ".join(executed(read_make(text))) == uses


@pytest.mark.parametrize(
    ("text", "uses"),
    [
        (
            "etl day='x': lint\n  @python etl.py {{day}}\n\nlint:\n\t-sh l.sh\n",
            "script etl.py, script l.sh",
        ),
        ("d := 'scripts'\netl:\n  sh {{ d }}/a.sh; sh {{x}}\n", "script scripts/a.sh, script ?"),
        ("a:\n  #!/usr/bin/env bash\n  cd s\n  ./b\n", "program s/./b"),
        ("a:\n  #!/usr/bin/env python3\n  import b\n", "code #!/usr/bin/env python3\nimport b\n"),
        ("a:\n  #!/usr/bin/perl\n  x\n", "unclear "),
        ("import 'x.just'\nmod y\n", "sourced x.just, sourced y.just"),
        ("x := `./v.sh`\nset shell := ['bash', '-c']\n", ""),
    ],
)
def test_what_a_justfile_executes(text: str, uses: str) -> None:
    assert ", ".join(executed(read_just(text))) == uses


def test_the_line_of_each_use_is_told() -> None:
    uses = read_make("A = 1\n\nall:\n\techo \\\n\t\t; ./$(X)\n").uses
    assert [use.line for use in uses if use.role == "program"] == [5]


@pytest.mark.parametrize("end", ["", ")"])
def test_commands_in_one_another_without_end_are_not_known(end: str) -> None:
    text = f"a:\n\t{'$(shell ' * 5000}{end * 5000}\n\t./b\n"
    assert "program b" in executed(read_make(text))


def test_what_a_makefile_writes_is_told() -> None:
    code = read_make("all:\n\tsed s/a/b/ t.sh > u.sh\n")
    assert len(code.writes) == len(code.copies) == 1


def test_many_lines_are_left_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipes, "LINES_MAX", 3)
    left = ["program a", "program b", "unclear "]
    assert executed(read_make("a:\n\t./a\n\t./b\n\t./c\n")) == left
    assert executed(read_just("a:\n  ./a\n  ./b\n  ./c\n")) == left


def test_lines_that_are_long_with_their_variables_are_left_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recipes, "TEXT_MAX", 20)
    left = ["program a", "unclear "]
    value = "x" * 20
    assert executed(read_make(f"V = {value}\na:\n\t./a $(V)\n\t./b\n")) == left
    assert executed(read_just(f"v := '{value}'\na:\n  ./a {{{{v}}}}\n  ./b\n")) == left
