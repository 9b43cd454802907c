"""`ork diff --format markdown` and `--format html`: a change for pull requests and for browsers."""

import re

import pytest

from ork.cli.diff.markdown import code, fenced, markdown_view
from ork.cli.diff.wording import headline
from ork.cli.pictures.change import change_graph
from ork.cli.report.change import html_view
from ork.differences.definitions import Diff, EdgeChange, FieldChange, FileChange, TaskChange
from ork.differences.impact import Affected, Impact
from ork.differences.lines import Hunk
from ork.history.compare import Comparison, Side
from ork.objects.canonical import hash_bytes
from tests.cli.html_page import Page
from tests.cli.naughty import NAUGHTY
from tests.cli.test_change_graph import assert_is_mermaid

TAGS = r"</?(?:code|sub|details|summary)>"

CASES = [
    pytest.param(text, id=name, marks=[pytest.mark.slow] * (name == "marks"))
    for name, text in NAUGHTY.items()
]


def side(text):
    return Side(text=text, workflow="etl", deploy=None, snapshot=hash_bytes(text.encode()))


def comparison_of(diff):
    return Comparison(old=side("etl~1"), new=side("etl"), diff=diff)


def views(diff, impact=None, needs=None):
    """Return the Markdown and the HTML of a diff."""
    impact = impact or Impact()
    graph = change_graph("etl~1..etl", diff, impact, needs or {})
    parts = (comparison_of(diff), impact, graph)
    return "\n".join(markdown_view(*parts)), "\n".join(html_view(*parts)) + "\n"


def naughty_change(text):
    """Return a change that has this text wherever one can stand."""
    field = FieldChange(kind="changed", path=text, old=text, new={text: [text]})
    lines = FieldChange(kind="changed", path=text, old=f"{text}\n", new=f"{text}\nmore\n")
    hunk = Hunk(
        old_start=1,
        old_lines=1,
        new_start=1,
        new_lines=2,
        lines=(f" {text}", f"+{text}", f"-{text}"),
    )
    added = FieldChange(kind="added", path="command", new=text)
    diff = Diff(
        tasks=(
            TaskChange(kind="changed", name=text, fields=(field, lines)),
            TaskChange(kind="renamed", name="b", old_name=text, similarity=80, fields=(field,)),
            TaskChange(kind="added", name="c", fields=(added,)),
        ),
        edges=(EdgeChange(kind="added", upstream=text, downstream="b"),),
        params=(field,),
        settings=(field,),
        files=(
            FileChange(kind="changed", path=text, added_lines=1, removed_lines=1, hunks=(hunk,)),
            FileChange(kind="renamed", path="f", old_path=text, similarity=60, hunks=(hunk,) * 8),
            FileChange(kind="added", path=text, binary=True),
        ),
    )
    impact = Impact(
        affected=(
            Affected(name=text, why="changed"),
            Affected(name="b", why="code", via=(text,)),
            Affected(name="c", why=text),
        ),
        unaffected=(f"{text} too",),
    )
    return diff, impact, {text: (), "b": (text,), "c": ("b",), f"{text} too": ()}


def outside_of_code(text):
    """Return Markdown without its code: what a renderer would interpret. Fences must close."""
    kept, fence, language, block = [], None, "", []
    for line in text.split("\n"):
        if fence is not None:
            if line == fence:
                if language == "mermaid":
                    assert_is_mermaid(block)
                fence = None
            else:
                assert not line.strip().startswith(fence)
                block.append(line)
        elif found := re.fullmatch(r"(`{3,})(\w*)", line):
            fence, language, block = found[1], found[2], []
        else:
            assert not line.startswith(("```", "~~~", "    "))
            kept.append(
                re.sub(r"<code>(?:[\w .-]|&#\d+;|&\w+;|&#x\w+;)*</code>|`[^`]+`", "C", line)
            )
    assert fence is None
    return "\n".join(kept)


# -- the command


def test_markdown_of_a_change(reworked, golden):
    result = reworked("diff", "etl~1", "etl", "--format", "markdown")
    assert (result.code, result.err) == (0, "")
    golden("diff/change.md", result.out)
    assert result.out.startswith("### etl: ")


def test_html_of_a_change(reworked, golden):
    result = reworked("diff", "etl~1", "etl", "--format", "html")
    assert (result.code, result.err) == (0, "")
    golden("diff/change.html", re.sub(r"(?s)<style>.*</style>", "<style></style>", result.out))
    page = Page(result.out)
    for word in ("summarise", "renamed from summarize", "echo joined $DAY", "@daily"):
        assert word in page.text


def test_no_difference_is_a_short_answer(history):
    assert "the definition is the same" in history("diff", "etl", "etl", "--format", "markdown").out
    page = Page(history("diff", "etl", "etl", "--format", "html").out)
    assert "The definition is the same" in page.text


# -- the views


def test_the_headline_counts():
    diff = Diff(
        tasks=tuple(
            TaskChange(kind=kind, name=f"{kind}{n}")
            for kind, n in (("changed", 1), ("changed", 2), ("added", 1))
        ),
        files=(FileChange(kind="changed", path="a"),),
    )
    affected = tuple(Affected(name=f"t{n}", why="changed") for n in range(5))
    some = Impact(affected=affected, unaffected=tuple(f"u{n}" for n in range(15)))
    assert headline(comparison_of(diff), some) == (
        "etl: 2 tasks changed, 1 added, 1 code file changed; 5 of 20 tasks can give other results"
    )
    assert headline(comparison_of(diff), Impact(affected=affected)).endswith(
        "; every task can give another result"
    )
    assert headline(comparison_of(diff), Impact(unaffected=("a",))).endswith(
        "; no task can give another result"
    )
    assert headline(comparison_of(Diff()), some) == "etl: the definition is the same"


@pytest.mark.parametrize("text", CASES)
def test_markdown_holds_data_as_data(text):
    markdown, _ = views(*naughty_change(text))
    assert len(markdown) < 100_000
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202e\u2066\ufeff]", markdown)
    bare = re.sub(r"(?m)^\*\*[A-Z][a-z ]+\*\*$", "", outside_of_code(markdown))
    assert not re.search(r"[<>@`\\\[\]_*]|://|&(?!#\d+;)", re.sub(TAGS, "", bare))
    for opened in ("details", "summary", "sub"):
        assert bare.count(f"<{opened}>") == bare.count(f"</{opened}>")
    for table in re.findall(r"(?m)(?:^\|.*\n?)+", bare):
        assert len({row.count("|") for row in table.strip().split("\n")}) == 1


@pytest.mark.parametrize("text", CASES)
def test_a_page_holds_data_as_data(text):
    # A text of several lines is shown by line where a short one is a value in a table.
    _, plain = views(*naughty_change("plain\ntext" if "\n" in text else "plain"))
    _, html = views(*naughty_change(text))
    expected, page = Page(plain), Page(html)
    for read in (page, expected):
        del read.counts["b"]  # one for each line of code, and a text may be several lines
    assert page.counts == expected.counts  # no text has made an element
    assert page.classes == expected.classes
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202e\u2066\ufeff]", html)
    assert len(html) < 200_000


def test_code_spans_and_fences_cannot_be_ended_from_inside():
    assert code("a.b") == "`a.b`"
    assert code("a`b|c") == "<code>a&#96;b&#124;c</code>"
    assert code(" ") == "<code> </code>"
    assert list(fenced(["a", "````", "```x"], "diff")) == [
        "`````diff",
        "a",
        "````",
        "```x",
        "`````",
    ]


@pytest.mark.slow
def test_long_code_is_folded_and_very_long_code_is_counted():
    def file(path, lines):
        hunk = Hunk(
            old_start=1,
            old_lines=0,
            new_start=1,
            new_lines=lines,
            lines=tuple(f"+line {n}" for n in range(lines)),
        )
        return FileChange(kind="changed", path=path, added_lines=lines, hunks=(hunk,))

    diff = Diff(files=(file("short", 5), file("long", 100), file("huge", 1_000)))
    markdown, html = views(diff)
    assert "`short` +5\n\n```diff" in markdown
    assert "<details><summary><code>long</code> +100</summary>\n\n```diff" in markdown
    assert "`huge` +1000 (1,001 lines of diff, not shown)" in markdown
    many = Diff(files=tuple(file(f"f{n}", 300) for n in range(100)))
    assert len(views(many)[0]) < 65_536
    assert "and 15,001 more lines" in Page(views(Diff(files=(file("f", 20_000),)))[1]).text
    assert "line 999" in html


def test_a_graph_with_too_many_edges_is_left_out():
    names = [f"t{n}" for n in range(40)]
    needs = {name: tuple(names[:index]) for index, name in enumerate(names)}
    diff = Diff(tasks=(TaskChange(kind="changed", name="t0"),))
    impact = Impact(affected=tuple(Affected(name=name, why="changed") for name in names))
    assert "mermaid" not in views(diff, impact, needs)[0]
    assert "mermaid" in views(diff, impact, dict(list(needs.items())[:20]))[0]


@pytest.mark.slow
def test_thousands_of_names_are_counted():
    names = [f"t{n}" for n in range(5_000)]
    edges = tuple(EdgeChange(kind="added", upstream=name, downstream="z") for name in names)
    impact = Impact(
        affected=tuple(
            Affected(name=name, why="upstream", via=tuple(names)) for name in names[:2_000]
        ),
        unaffected=tuple(names[2_000:]),
    )
    markdown, html = views(Diff(edges=edges), impact)
    assert "- `t0` ... `t1999`: after `t0` ... `t4999`\n" in markdown
    assert "- and 4,900 more" in markdown
    assert len(markdown) < 65_536
    assert "the first 500 of 5,000" in Page(html).text


def test_equal_changes_are_told_once():
    field = FieldChange(kind="changed", path="timeout", old=300, new=60)
    tasks = [TaskChange(kind="changed", name=f"shard_{n:03}", fields=(field,)) for n in range(200)]
    markdown, html = views(Diff(tasks=(*tasks, TaskChange(kind="added", name="last"))))
    (row,) = [line for line in markdown.splitlines() if "timeout" in line]
    assert row == "| `~` | 200 tasks: `shard_000` ... `shard_199` | `timeout` | `300` | `60` |"
    assert html.count("timeout") == 1
    assert "200 tasks" in html
    assert "shard_199" in html


def test_a_table_of_tasks_leaves_room_for_the_rest_of_a_comment():
    tasks = tuple(
        TaskChange(
            kind="changed",
            name=f"task_{n}",
            fields=(FieldChange(kind="changed", path="command", old="a" * n, new="b" * n),),
        )
        for n in range(600)
    )
    markdown, _ = views(Diff(tasks=tasks))
    assert 15_000 < len(markdown) < 40_000
    shown = markdown.count("| `command` |")
    assert f"| | and {600 - shown} more | | | |" in markdown and shown > 20


def test_tasks_that_were_renamed_alike_are_told_once():
    field = FieldChange(kind="changed", path="retries", old=1, new=3)
    numbers = [f"{n:03}" for n in range(200)]
    tasks = tuple(
        TaskChange(
            kind="renamed",
            name=f"fetch_{n}",
            old_name=f"load_{n}",
            similarity=90 + int(n) % 2,
            fields=(field,),
        )
        for n in numbers
    )
    affected = tuple(Affected(name=f"fetch_{n}", why="renamed") for n in numbers)
    markdown, html = views(Diff(tasks=tasks), Impact(affected=affected))
    assert markdown.startswith("### etl: 200 tasks renamed and changed; every task can give")
    old, new = "`load_000` ... `load_199`", "`fetch_000` ... `fetch_199`"
    assert f"| `>` | 200 tasks: {new} | `retries` | `1` | `3` |\n" in markdown
    assert f"| | | renamed from {old}, 90-91% similar | | |\n" in markdown
    assert f"\n- {new}: renamed and changed" in markdown
    assert "200 tasks renamed and changed" in Page(html).text
    assert "renamed from load_000 ... load_199, 90-91% similar" in Page(html).text
