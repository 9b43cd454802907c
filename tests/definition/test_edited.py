"""An edited text is read in part, and says what it says when all of it is read."""

from __future__ import annotations

import random

import pytest

from ork.definition.workflow import Definition, parse
from ork.errors import InvalidInput
from tests.scale import examples

# Within most of these some line looks like a key of something else; others are wrong nearly always.
COMMANDS = [
    "echo",
    '"echo\n  b:\n    x"',
    '"echo\nb: no\n  c: no\n   "',
    "'echo\ndescription: no'",
    "|+\n      echo\n\n",
    ">-\n      echo\n      # no comment\n  # a comment",
    "|\n      echo\n     \n\n    # a comment\n# another",
    '[echo, "\n  c: x"]',
    "[echo,\n  b, a\n]",
    '[echo,\n"\n  c:\n    executor: process",\nname]',
    "echo *.py # c:",
    "echo\n     b",
    '"a\n  a:\n    executor: process\n    command: b"',
    '"\u00e9\u4e16\u2028\ufeff"',
    "[echo, *x]",
    "&x echo",
    "!!str echo",
    '"',
    'x"\n  b: "',
]
KEYS = [
    "depends_on: [a]",
    "depends_on: [b, c]",
    "timeout: 5m",
    "env: {A: {ref: tasks.a.output.n}}",
    "env: {<<: {B: c}}",
    'env: {A: "\n  d: x",\n  B: c}',
    "inputs: {n: {ref: tasks.b.output.n}}",
    "input_type: {n: int}",
    "output_type: {n: int}",
    "output_type: types.T",
    "command: no",
    "? shell\n  : sh",
    "\ttimeout: 5m",
    "}",
]
AROUND = [
    "",
    "",
    "# a comment",
    "description: x",
    "types: {T: {n: int}}",
    "types:\n  T: {n: int}",
    'description: "\ntasks:\n  a:\n  b:\n  c:"',
    'description: "\ntasks:\n  a:',
    "description: |\n  a:\n  b:",
    'env: &x {A: "b\n  c: d"}',
    '   "',
    "---",
    "...",
]
HEADS = ["  {}: # {{", "  {}:\n", '  "{}":', " {}:", "  {}: {{"]


def made(dice: random.Random) -> str:
    """Return a text that is a workflow file often enough."""
    lines = [dice.choice(AROUND[:7]), "name: etl", "tasks:"]
    for name in dice.sample("abcd", dice.randint(2, 4)):
        lines.append((dice.choice(HEADS) if dice.random() < 0.03 else "  {}:").format(name))
        lines += body(dice, odd=0.05)
    return "\n".join([*lines, dice.choice(AROUND[:7])]) + dice.choice(["", "\n"])


def body(dice: random.Random, *, odd: float) -> list[str]:
    command = dice.choice(
        COMMANDS if dice.random() < odd else ["echo", "ls", "|\n     a\n\n      b"]
    )
    return ["    executor: process", f"    command: {command}"]


def edited(text: str, dice: random.Random) -> str:
    """Return the text with a few lines less, more or otherwise, or with one character of that."""
    lines = text.split("\n")
    for _ in range(dice.choice([1, 1, 1, 2])):
        commands = [n for n, line in enumerate(lines) if line.startswith("    command")]
        at = dice.choice(commands if dice.random() < 0.7 else range(len(lines)))
        if at in commands:
            lines[at : at + 1] = body(dice, odd=0.7)[1:]
        elif dice.random() < 0.3:
            place = dice.randrange(len(lines[at]) + 1)
            lines[at] = (
                lines[at][:place] + dice.choice("x \"':{}[]#&*-\t\r") + lines[at][place + 1 :]
            )
        else:
            new = [f"    {dice.choice(KEYS)}", dice.choice(AROUND), lines[-at]]
            lines[at : at + dice.choice([0, 0, 1, 2])] = [dice.choice(new)]
    return dice.choice(["\n"] * 9 + ["\r\n"]).join(lines)


def whole(text: str) -> Definition | None:
    try:
        return parse(text.encode(), file="etl.yaml")
    except InvalidInput:
        return None


def in_part(text: str, before: Definition) -> Definition | None:
    try:
        return parse(text.encode(), file="etl.yaml", before=before)
    except InvalidInput:
        return None


def task(name: str, command: str = "echo", more: str = "") -> str:
    lines = (f"  {name}:", "    executor: process", f"    command: {command}", more)
    return "".join(line and f"{line}\n" for line in lines)


def flow(first: str, last: str) -> str:
    """Return tasks in braces, and among these a text that looks like tasks."""
    quoted = f'env: {{A: "\ntasks:\n  x:\n    "}}}},\n{first}'
    inner = f"tasks: {{x: {{executor: process, command: c, {quoted}"
    return f"name: etl\n{inner}  a: {{executor: process, command: c}},\n  b: {last}"


TOP = "name: etl\ntasks:\n"
WITHIN = "\n    executor: process\n    command: no"
FLOW = (
    flow("", "{executor: process, command: c}}\n"),
    flow('   b: {executor: process, command: "\n', '"}}\n'),
)
SHARED = "    env: &x {{A: {}}}"
NEEDS = "    depends_on: [{}]"


def brackets(end: str, last: str) -> str:
    inner = f"  a: {{executor: process, command: {end},\n  m: {{executor: process, command: c}},"
    return f"name: etl\ntasks: {{\n{inner}\n  b: {last}\n"


def twice(word: str) -> str:
    real = ", ".join(f"{name}: {{executor: process, command: c}}" for name in "amb")
    return f'description: "\ntasks:\n  a: {word}\n  m:\n  b: "\nname: etl\ntasks: {{{real}}}\n'


def broken(sign: str, need: str) -> str:
    anchor, alias = f"    depends_on: &x [{need}]", f"    depends_on:{sign}      *x"
    return TOP + task("a", more=anchor) + task("m", more=alias) + task("y") + task("z")


# Two texts each: read in part only, the second would say something else.
TRAPS = {
    "a task was a text": (
        TOP + task("a", f'"x\n  f:{WITHIN} # "') + task("z"),
        TOP + task("a", f'x\n  f:{WITHIN} # "') + task("z"),
    ),
    "a task becomes a text": (
        TOP + task("a") + task("m") + task("z"),
        TOP + task("a", '"x') + task("m") + '  z:\n    y"\n',
    ),
    "a text goes on behind the tasks": (
        TOP + task("a") + task("z", '"x\ndescription: no # "'),
        TOP + task("a", "y") + task("z", '"x\ndescription: no # "'),
    ),
    "a text becomes a task": (
        TOP + task("m") + task("z") + f'description: "\n  m:{WITHIN} # "\n',
        TOP + task("m") + task("z", '"x') + f'description: "\n  m:{WITHIN} # "\n',
    ),
    "what is before": (
        "env: {A: b}\n" + TOP + task("a") + task("z"),
        "env: {A: c}\n" + TOP + task("a") + task("z"),
    ),
    "what is behind": (
        TOP + task("a") + task("z") + "env: {A: b}\n",
        TOP + task("a") + task("z") + "env: {A: c}\n",
    ),
    "a new task": (TOP + task("a") + task("z"), TOP + task("a") + task("b") + task("z")),
    "an alias": (
        TOP + task("a", more=SHARED.format("b")) + task("m", more="    env: *x") + task("z"),
        TOP + task("a", more=SHARED.format("c")) + task("m", more="    env: *x") + task("z"),
    ),
    "a cycle": (
        TOP + task("a") + task("m", more=NEEDS.format("a")) + task("z"),
        TOP + task("a", more=NEEDS.format("m")) + task("m", more=NEEDS.format("a")) + task("z"),
    ),
    "a type that another task relies on": tuple(
        TOP
        + task("a", more=f"    output_type: {{{field}: int}}")
        + task("m", more=f"{NEEDS.format('a')}\n    env: {{A: {{ref: tasks.a.output.n}}}}")
        + task("z")
        for field in "nm"
    ),
    "a text with tasks before the tasks": (twice("x"), twice("y")),
    "tasks in braces": (
        brackets("c}", "{executor: process, command: c}}"),
        brackets('c}, b: {executor: process, command: "', '"}}'),
    ),
    "tasks under a quoted key": tuple(text.replace("\ntasks: {", '\n"tasks": {') for text in FLOW),
    "an indented file": tuple(
        text.replace("name:", " name:").replace("\ntasks: {", "\n tasks: {") for text in FLOW
    ),
    **{
        f"a line that ends in {sign!r}": (broken(sign, "z"), broken(sign, "y"))
        for sign in "\r\x85\u2028"
    },
}


@pytest.mark.parametrize(("old", "new"), TRAPS.values(), ids=TRAPS)
def test_a_part_that_relies_on_another_is_not_read_alone(old: str, new: str) -> None:
    before = parse(old.encode(), file="etl.yaml")
    assert in_part(new, before) == whole(new)


def test_a_task_that_is_as_it_was_is_not_read() -> None:
    texts = ["---\n" + TOP + task("a", word) + task("m") + task("z") for word in ("echo", "ls")]
    before = whole(texts[0])
    assert before is not None
    found = in_part(texts[1], before)
    assert found is not None
    assert found.tasks["m"] is before.tasks["m"]
    assert found.tasks["a"].command == "ls"
    assert found.places["tasks", "m"].line == 7


@pytest.mark.slow
def test_what_is_read_in_part_says_what_the_whole_says() -> None:
    dice = random.Random(11)
    read = [before for _ in range(examples(750)) if (before := whole(made(dice)))]
    taken = 0
    for before in read:
        for text in (edited(before.text, dice) for _ in range(6)):
            found = in_part(text, before)
            if found and any(found.tasks.get(name) is task for name, task in before.tasks.items()):
                taken += text != before.text
                assert found == whole(text), (before.text, text)
    assert taken > 50
