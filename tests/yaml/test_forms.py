"""A text of which each form is read once says what it says when all of it is read."""

from __future__ import annotations

import random

import pytest

from ork.errors import InvalidInput
from ork.yaml import forms, nodes
from ork.yaml.problems import Problems
from ork.yaml.reader import _c_parser
from tests.scale import examples

needs_c = pytest.mark.skipif(_c_parser() is None, reason="the C parser is not installed")

PARTS = [
    "a: {}",
    "b: [{}, {}]",
    "c: {{d: {}, e: [{}]}}",
    "f:\n      g: {}\n      h: {{i: {}}}",
    "j:\n    - {}\n    - {}",
    "k:\n      - {}\n\n    # a comment\n      - l: {}\n        m: {}",
    "n: {} {}",
    "o: {}\n      {}",
    "q: |\n      {}\n",
    "r: |+\n      {}\n\n\n",
    "s: >-\n      {}\n     ",
    "t: '{}'",
    "u: {{\n      v: {}\n    }}",
    "w: &x {}",
    "x: # {}",
    "y:",
    "z-{}: {}",
    "z: {{z{}: {}, y{}: {}}}",
    "z: [[], {{}}, [{{z{}: [{}]}}]]",
]
# Most of these are wrong, or look like more than one part.
ODD = [
    "u: {{v: {},\n    a: {}}}",
    't: "{}\n    a: {}\n    "',
    "p: {}\n      - {}",
    't: "{}',
    'b: {}"',
    "b: [{}",
    "c: {}}}",
    "a: {}: {}",
    "a: !t {}",
    "? {}\n    : {}",
    "<<: {{a: {}}}",
    "- {}",
    "{}",
    "{}: {}",
    "a: {{{}: {}, {}: {}}}",
    "  a: {}",
    '"a": {}',
    "a : {}",
    "a:{}",
    "a: -{}",
    "a: {}#",
    "---",
    "}}",
]
WORDS = [
    "a b",
    "a  b",
    "a -b -- c=$d",
    "'a: b'",
    '"a # b"',
    "''",
    "'null'",
    '"1"',
    "x",
    "y1",
    "1",
    "0x1F",
    "1e3",
    "null",
    "true",
    "a.b",
    "c/d-e",
    "2026-01-01",
    "1-",
    "9" * 9,
]
RARE = [
    "it's",
    "'it''s'",
    '"a\\nb"',
    "a 'b'",
    "'a' b",
    "a #b",
    "a | b",
    "a ",
    '"',
    "1e999",
    "9" * 30,
    "x" * 1030,
    "x" * 300,
    "-",
    ".5",
    "\u00e9",
    "a:b",
    "~",
    "a,b",
]
IN_LINE = [
    "  {}: {{a: {}, b: [{}, {{c: {}}}]}}",
    "  {}:\n      d: {}\n      e: {}",
    "  {}: {}",
    "  {}:",
]
HEADS = ["  {}: # c", "  {}:  ", "  {}: {{", "  {}: [", '  {}: "', "   {}:", "  {}: &b", '  "{}":']
AROUND = ["", "---", "n: x", "n:\n  x: y", 'n: "\nt:\n  e0:\n  "', "n: |\n  x", "}", "'"]


def made(dice: random.Random) -> str:
    """Return a text with entries below `t`, in which much occurs again."""

    odd = dice.choice([0, 0, 0.05])  # most texts are good

    def word() -> str:
        return dice.choice(RARE if dice.random() < odd / 2 else WORDS)

    parts = dice.sample(PARTS, 5)
    parts = [dice.choice(ODD) if dice.random() < odd else part for part in parts]
    lines = ["# a comment", dice.choice(AROUND[:4]), "t:"]
    for number in range(dice.randint(2, 8)):
        name = dice.choice(["1", "no", "9" * 300]) if dice.random() < odd / 2 else f"e{number}"
        lines.append((dice.choice(HEADS) if dice.random() < odd else "  {}:").format(name))
        if dice.random() < 0.2:
            lines[-1] = dice.choice(IN_LINE).format(name, word(), word(), word())
            continue
        for part in dice.sample(parts, dice.randint(1, 4)):
            lines.append("    " + part.format(word(), word(), word(), word()))
        lines += ["  # between", "", "    # within"][: dice.choice([0] * 9 + [1, 2, 3])]
    return "\n".join(
        [*lines, dice.choice(AROUND if odd else ["", *AROUND[2:4]]).replace("n:", "m:")]
    )


def whole(text: str) -> str | None:
    """Return what a text says, in its order; None where there is something to say of it."""
    problems = Problems("f.yaml", text)
    try:
        root = nodes.read(text, problems)
        problems.check()
    except InvalidInput:
        return None
    return repr(nodes.plain(root))


def by_forms(text: str) -> str | None:
    root = forms.read_unplaced(text, "t")
    return root and repr(nodes.plain(root))


def is_sure(text: str) -> bool:
    """Say whether a text is shortened, and nothing is in doubt."""
    brief = forms._shorten(text, "t")
    found = brief and len(brief.text) < len(text) and nodes.read_unplaced(brief.text)
    if not brief or not found:
        return False
    try:
        forms._lengthen(found[0], "t", brief, found[1])
    except nodes.Unplaced:
        return False
    return True


def entries(*bodies: str, end: str = "  z:\n    z: 1\n") -> str:
    """Return a text with entries below `t`, each of these parts."""
    heads = (f"  e{number}:\n    " for number in range(len(bodies)))
    return "t:\n" + "".join(f"{h}{b}\n" for h, b in zip(heads, bodies, strict=True)) + end


# What is left out of each of these says something else, or is wrong, where it stands.
TRAPS = {
    "the last one ends otherwise": entries("a: |\n      b", end="  e1:\n    a: |\n      bc"),
    "the last one is cut short": entries(end="  a: 1\n  z: 12"),
    "a part in braces": entries("a: b'c,", end="  e1: {\n    a: b'c,\n    d: 1}\n  z: 1\n"),
    "an entry within a text": entries(
        "a: 1", end='  x: "\n  e1:\n    a: 1\n  y: "\n  z:\n    a: 1'
    ),
    "a part within a text": entries(
        'a: "x\n    b: "\n    -c: 1', 'd: "x\n    e: "\n    -f: 1', 'd: "x\n    b: "\n    -c: 1'
    ),
    "two words are one scalar": entries("a: b\n      - c", "a: d\n      - e"),
    "a part is given twice": entries("a: 1", "a: 1\n    a: 1"),
    "a name is no text": entries("a: 1", end="  1:\n    a: 1\n  z:\n    a: 1"),
    "a name in a line is no text": entries(end="  e0: {a: 1}\n  1: {a: 1}\n  z: {a: 1}"),
    "a name in a line is too long": entries(end=f"  e0: a\n  {'x' * 1100}: a\n  z: 1"),
    "an entry is one scalar": entries(end="  a: b\n      c: d\n  e: f\n      g: h\n  z: 1"),
    "a name is too long": entries("a: 1", end=f"  {'x' * 1100}:\n    a: 1\n  z:\n    a: 1"),
    "a key is no text": entries("a: {b: 1}", "a: {2: 1}"),
    "a key is given twice": entries("a: {b: 1, c: 1}", "a: {b: 1, b: 1}"),
    "a key is too long": entries("a: 1", f"{'x' * 1100}: 1"),
    "a number is too large": entries("a: 1", "a: 1e999"),
}


@needs_c
@pytest.mark.parametrize("text", TRAPS.values(), ids=TRAPS)
def test_a_part_that_says_something_else_where_it_stands_is_read(text: str) -> None:
    assert by_forms(text) == whole(text)


@needs_c
def test_of_parts_that_are_alike_one_is_read() -> None:
    bodies = [
        f"a: {n}\n    b: ['x:{n}', {{c: d {n}}}]\n    d: [\n      {n}\n    ]\n    e: {n % 2} # x"
        for n in range(9)
    ]
    brief = forms._shorten(entries(*bodies), "t")
    assert brief is not None
    assert brief.text == entries(bodies[0], "e: 1 # x")
    assert is_sure(entries(*bodies))
    assert is_sure(f"# a comment\n---\n{entries(*bodies)}")


@pytest.mark.slow
@needs_c
def test_what_is_read_by_forms_says_what_the_whole_says() -> None:
    dice = random.Random(7)
    texts = [made(dice) for _ in range(examples(3000))]
    for text in texts:
        found = by_forms(text)
        assert found is None or found == whole(text), text
    assert sum(map(is_sure, texts)) > len(texts) / 8
