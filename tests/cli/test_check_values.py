"""Values that a task would not get as its author seems to think: what `ork check` warns of."""

from __future__ import annotations

import pytest

INPUTS = """\
name: w
types: {Pair: {a: int}}
params: {regions: {type: [str], default: [a]}, any: {default: [1]}, pair: types.Pair}
tasks:
  made: {executor: python, file: m.py, output_type: {rows: [int], one: {n: int}}}
  t:
    executor: shell
    depends_on: [made]
    inputs:
      regions: {ref: params.regions}
      pair: {ref: params.pair}
      rows: {ref: tasks.made.output.rows}
      n: {ref: tasks.made.output.one.n}
      fixed: {const: {a: 1}}
      word: {const: a}
      any: {ref: params.any}
"""
ENV = """\
name: w
params: {day: {type: date, default: 2026-01-01}}
env: {ALL: "$NAME"}
tasks:
  t: {executor: shell, command: x, env: {VALUE: %s}}
  u: {executor: shell, command: x, env: {VALUE: {const: "$NAME"}}}
"""


@pytest.mark.parametrize(
    ("name", "kind", "each"),
    [
        ("regions", "a list", "regions[]"),
        ("pair", "an object", "pair.FIELD"),
        ("rows", "a list", "rows[]"),
        ("fixed", "an object", "fixed.FIELD"),
    ],
)
def test_a_variable_of_a_list_or_an_object_is_a_warning(ork, name, kind, each):
    ork.write("m.py", "def main(): return {}")
    ork.write("w.yaml", f"{INPUTS}    command: 'for r in $ORK_IN_{name}; do echo $r; done'\n")
    told = ork("check", "w.yaml").err
    assert f"w.yaml:17:24: warning: `{name}` is {kind}, so that `$ORK_IN_{name}` is not" in told
    assert (
        f"`printf %s \"$ORK_INPUT_JSON\" | jq -r '.{each}'` reads it" in told
        and told.count("warning") == 1
    )


def test_a_variable_of_what_may_be_a_text_is_no_warning(ork):
    ork.write("m.py", "def main(): return {}")
    ork.write("w.yaml", f"{INPUTS}    command: echo $ORK_IN_n $ORK_IN_word $ORK_IN_any\n")
    assert ork("check", "w.yaml").err == ""


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("$TOKEN", "`{secret: TOKEN}` takes it from ork's own environment"),
        ("${TOKEN}", "`{secret: TOKEN}` takes it"),
        ("${day}", "`{ref: params.day}`; `{const: ...}` for the text itself"),
        ("$HOME/x", "a command can put it together"),
        ("a ${X:-b}", "a command can put it together"),
        ("$(date +%F)", "a command can put it together"),
    ],
)
def test_a_text_of_env_that_a_shell_would_replace_is_a_warning(ork, value, hint):
    ork.write("w.yaml", ENV % f'"{value}"')
    told = ork("check", "w.yaml").err
    assert "w.yaml:5:49: warning: env: VALUE is this text, in which nothing is replaced" in told
    assert hint in told
    assert "w.yaml:3:12: warning: env: ALL is this text" in told and told.count("warning") == 2


@pytest.mark.parametrize("value", ["$5", "a$", "cost: $ 5", "^a$|b$", "$$NAME", "{a}", "x${}"])
def test_a_sign_of_a_shell_alone_is_no_warning_in_env(ork, value):
    ork.write("w.yaml", (ENV % f"'{value}'").replace('"$NAME"', "x"))
    assert ork("check", "w.yaml").err == ""
