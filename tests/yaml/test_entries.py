"""One entry of a text is put back as it was: its lines and comments, and nothing else."""

import random

import pytest

from ork.errors import InvalidInput
from ork.yaml import nodes
from ork.yaml.entries import put_back
from ork.yaml.problems import Problems

OLDER = """\
# what it is
name: etl

tasks:
  # gets it
  get:
    command: echo 1

  # ---- the middle ----

  # cleans it
  # twice
  clean:
    command: |
      # of the shell
      echo clean
    retries: 2  # at most
    # env: {}

  load:
    command: echo load
# the end
env: {A: "1"}
"""


def put(text, name="clean", older=OLDER):
    return put_back(text, older, "tasks", name, file="now.yaml", older_file="older.yaml")


def value(text):
    return nodes.plain(nodes.read(text, Problems("a.yaml", text)))


def lines_of(text, first, last):
    return text[text.index(first) : text.index(last)]


CLEAN = lines_of(OLDER, "  # cleans it", "\n  load")


def test_its_lines_and_the_comments_above_come_back_and_all_else_stays():
    now = OLDER.replace(CLEAN, "  # tidies\n  clean: {command: rm x}  # all\n")
    now = now.replace("echo load", "echo LOAD  # mine").replace("gets", "fetches")
    found = put(now)
    assert found.text == now.replace("  # tidies\n  clean: {command: rm x}  # all\n", CLEAN)
    assert found.replaced == "  # tidies\n  clean: {command: rm x}  # all"


@pytest.mark.parametrize("name", ["get", "clean", "load"])
def test_what_is_gone_comes_behind_what_it_was_behind(name):
    begins = {"get": "  # gets", "clean": "  # cleans", "load": "  load"}
    ends = {"get": "  # ----", "clean": "  load", "load": "# the end"}
    now = OLDER.replace(lines_of(OLDER, begins[name], ends[name]), "")
    found = put(now, name)
    assert found.replaced == ""
    assert value(found.text) == value(OLDER)
    assert [*value(found.text)["tasks"]] == [*value(OLDER)["tasks"]] or name == "get"
    kept = iter(found.text.splitlines())
    assert all(line in kept for line in now.splitlines()), "the others stay, in their order"


def test_blank_lines_between_stay_as_they_were_where_the_last_is_gone():
    assert put(OLDER.replace(f"{CLEAN}\n", "")).text.count("\n\n") == OLDER.count("\n\n")
    short = "tasks:\n  a: 1\n  b: 2\n"
    assert put("tasks:\n  a: 1\n", "b", short).text == short
    assert put("tasks:\n  b: 2\n", "a", short).text == short
    apart = "tasks:\n  a: 1\n\n  b: 2\n"
    assert put("tasks:\n  b: 2\n", "a", apart).text == apart
    assert put("tasks:\n  a: 1", "b", apart).text == apart.rstrip("\n")


def test_lines_end_and_are_indented_as_in_the_text_by_now():
    now = OLDER.replace("echo clean", "x")
    assert put(now.replace("\n", "\r\n")).text == OLDER.replace("\n", "\r\n")
    assert put(now, older=OLDER.replace("\n", "\r\n")).text == OLDER
    gone = OLDER.replace(f"{CLEAN}\n", "").replace("\n", "\r\n")
    assert sorted(put(gone).text.split("\r\n")) == sorted(OLDER.split("\n"))
    mixed = OLDER.replace("name: etl\n", "name: etl\r\n")
    assert put(mixed, older=mixed).text == mixed
    wide = "tasks:\n      get: 1\n      clean: 2\n"
    found = put(wide).text
    assert value(found)["tasks"]["clean"] == value(OLDER)["tasks"]["clean"]
    assert "      # cleans it\n" in found and "          # of the shell\n" in found
    narrow = put(OLDER, older="tasks:\n        clean:\n            command: b\n").text
    assert "\n  clean:\n      command: b\n" in narrow


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("tasks: {get: 1, clean: 2}\n", "stands before it in its line"),
        ("tasks: {\n  get: 1, clean: 2}\n", "no mapping with one line or more"),
        ("tasks:\n  ? clean\n  : 2\n", "stands before it"),
        ("tasks:\n", "no mapping"),
        ("name: etl\n", "no mapping"),
        ("- 1\n", "no mapping"),
        ("types: &t\n  clean: 1\ntasks: *t\n", "no mapping"),
        ("tasks:\n  clean: [\n", "not valid YAML"),
        ("tasks:\n  clean: 1\n  clean: 2\n", "clean"),
        ("tasks:\n  clean: &a 1\n  load: *a\n", "no anchor &a"),
        ("tasks:\n  get: &a 0\n  clean: &a 1\n  load: *a\n", "would then mean something else"),
        ('{\n"tasks": {\n  "get": 1,\n  "clean": 2\n}}\n', "1 problem"),
    ],
)
def test_what_does_not_go_by_whole_lines_is_refused(text, told):
    with pytest.raises(InvalidInput) as caught:
        put(text)
    error = caught.value
    assert told in " ".join((error.message, *(one.message for one in error.problems)))


def test_an_older_text_without_such_lines_is_named():
    with pytest.raises(InvalidInput) as caught:
        put(OLDER, older="tasks: {clean: 1}\n")
    assert caught.value.problems[0].file == "older.yaml"
    with pytest.raises(InvalidInput, match=r"the text of older\.yaml has no clean"):
        put(OLDER, older="tasks:\n  a: 1\n")


def some_text(rng):
    entries = []
    for name in rng.sample("abcde", rng.randint(2, 5)):
        above = rng.choice(["", "\n", f"  # of {name}\n", f"\n  # nobody's\n\n  # of {name}\n"])
        below = rng.choice([f" {rng.random()}", f"\n    x: |\n      # {rng.random()}\n\n      y"])
        entries.append(f"{above}  {name}:{below}{rng.choice(['', '  # c'])}\n")
    return "tasks:\n" + "".join(entries) + rng.choice(["", "\n# end\n", "name: w\n"])


@pytest.mark.parametrize("seed", range(200))
def test_any_entry_of_any_text_comes_back_alone(seed):
    rng = random.Random(seed)
    now, older = some_text(rng), some_text(rng)
    name = rng.choice([*value(older)["tasks"]])
    found = put(now, name, older)
    wanted = value(now)
    wanted["tasks"][name] = value(older)["tasks"][name]
    assert value(found.text) == wanted
    assert put(found.text, name, older).text == found.text
    before, kept = now.splitlines(), iter(found.text.splitlines())
    gone = found.replaced.splitlines()
    at = next(i for i in range(len(before)) if not gone or before[i : i + len(gone)] == gone)
    assert all(line in kept for line in before[:at] + before[at + len(gone) :])
