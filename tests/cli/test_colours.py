"""Colours: when there are some, which, and that nothing is told by a colour alone"""

import re

import pytest

from ork.cli.pictures.looks import ALL_COLORS
from ork.cli.report.page import environment
from tests.cli.screen import TERMINAL, on_terminal

# 1 bold, 2 dim, the names that a theme gives its own red, green, yellow, magenta and cyan, and the
# end of it: no blue, which many show too dark on black, no white or black, no ground, no numbers.
STYLES = {"0", "1", "2", "31", "32", "33", "35", "36"}
READERS = """\
check broken.yaml
status
log
log --graph --oneline
show etl#2
show etl:check
runs
diff etl~1 etl
diff etl~1 etl -p --word-diff
diff etl#1 etl#2
workflows
blame etl
ops
graph etl#2
graph etl~1..etl
show elt
""".splitlines()


@pytest.mark.parametrize(
    ("environ", "piped", "shown"),
    [
        ({}, False, True),
        ({"NO_COLOR": "1"}, False, False),
        ({"NO_COLOR": ""}, False, True),
        ({"FORCE_COLOR": "1"}, True, True),
        ({"FORCE_COLOR": "0"}, False, True),
        ({"CLICOLOR_FORCE": "1"}, True, True),
        ({"CLICOLOR_FORCE": "0"}, False, True),
        ({"CLICOLOR": "1"}, False, True),
        ({"CLICOLOR": "0"}, False, False),
        ({"TERM": "dumb"}, False, False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False, False),
        ({"CLICOLOR": "0", "FORCE_COLOR": "1"}, True, True),
        ({"TERM": "dumb", "CLICOLOR_FORCE": "1"}, True, True),
    ],
    ids=str,
)
def test_the_environment_says_whether_there_are_colours(history, environ, piped, shown):
    history.environ |= TERMINAL | environ

    def painted(*words):
        line = (*words, "log", "etl")
        return "\x1b[" in history(*line).out, bool(on_terminal(history, 80, *line).styles)

    assert painted() == (piped, shown)
    assert painted("--color", "always") == (True, True)
    assert painted("--color", "never") == (False, False)
    assert "\x1b[" not in history("log", "etl", "--json").out


@pytest.mark.parametrize("line", READERS)
def test_the_same_is_told_without_colours_and_any_theme_can_show_them(day, line):
    day.environ |= TERMINAL
    moment = day._seconds
    painted = on_terminal(day, 100, *line.split())
    day.environ["NO_COLOR"] = "1"
    day._seconds = moment
    plain = on_terminal(day, 100, *line.split())
    assert painted.text == plain.text
    assert painted.styles and painted.styles <= STYLES
    assert not plain.styles


# -- pages: the contrast that WCAG asks for between text and what is behind it

CONTRAST_MIN = 4.5
TEXTS = ("ink", "soft", "link", "plus", "minus", "hunk")
GROUNDS = ("paper", "card", "wash")
PAIRS = [
    *((text, ground) for text in TEXTS for ground in GROUNDS),
    ("card", "link"),  # of a button
    *(("plus", "plus-wash"), ("minus", "minus-wash")),  # lines of a diff
    *(("soft", "plus-wash"), ("soft", "minus-wash")),  # of notices
    *(("ink", "plus-wash"), ("ink", "minus-wash")),
]
QUIET = ("same", "pending", "skipped")  # looks whose names are soft
DARK = re.compile(r"(?ms)^@media screen and \(prefers-color-scheme: dark\) \{\n(.*?)^\}")
RULE = re.compile(r"(?m)^ *([.:][^{}\n]*) \{([^{}]*)\}")
SET = re.compile(r"--([\w-]+): ([^;]+?)(?:;|\s*$)")


def values(sheet):
    """Return what the rules of a sheet set: selector -> name -> value; later rules go before."""
    found = {}
    for selectors, body in RULE.findall(sheet):
        for selector in selectors.split(", "):
            found.setdefault(selector, {}).update(SET.findall(body))
    return found


@pytest.fixture(scope="module", params=["light", "dark"])
def colours(request):
    """What the sheet of all pages sets, for one scheme."""
    sheet = environment().get_template("report/templates/style.css").render()
    found = values(DARK.sub("", sheet))
    if request.param == "dark":
        for selector, theirs in values("".join(DARK.findall(sheet))).items():
            found[selector] |= theirs
    return found


def channels(value):
    """Return red, green and blue from 0 to 1 of a colour, or of a mix of two."""
    if mix := re.fullmatch(r"color-mix\(in srgb, (#\w+) (\d+)%, (#\w+)\)", value):
        share = int(mix[2]) / 100
        both = zip(channels(mix[1]), channels(mix[3]), strict=True)
        return [one * share + other * (1 - share) for one, other in both]
    return [int(value[at : at + 2], 16) / 255 for at in (1, 3, 5)]


def contrast(one, other):
    """Return the contrast of two colours, as WCAG 2 defines it: from 1 to 21."""

    def luminance(value):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in value]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted(luminance(channels(value)) for value in (one, other))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_measured_as_its_definition_says():
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)  # known to fall short


def test_texts_of_pages_stand_out_from_what_is_behind_them(colours):
    names = colours[":root"]
    faint = {
        pair: found
        for pair in PAIRS
        if (found := contrast(*(names[name] for name in pair))) < CONTRAST_MIN
    }
    assert faint == {}


@pytest.mark.parametrize("look", [*ALL_COLORS, "plain"])
def test_names_of_tasks_stand_out_from_what_their_state_is_painted(colours, look):
    names, fill = colours[":root"], colours[f".{look}"]["fill"]
    assert contrast(names["ink"], fill) >= CONTRAST_MIN
    assert look not in QUIET or contrast(names["soft"], fill) >= CONTRAST_MIN
    if look in ALL_COLORS:
        assert contrast("#111111", ALL_COLORS[look][0]) >= CONTRAST_MIN  # of pictures alone


@pytest.mark.parametrize("form", ["svg", "mermaid", "dot"])
def test_pictures_tell_states_by_signs_too(day, form):
    picture = day("graph", "etl#2", "--format", form).out
    picture = re.sub(r"#(\d+);", lambda found: chr(int(found[1])), picture)  # as mermaid reads it
    for label in ("✓ clean", "✕ check", "↷ notify"):
        sign, name = label.split()
        assert label in picture or f"{name} {sign}" in picture
