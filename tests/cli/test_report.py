"""ork report"""

import os
import re

import pytest

from tests.cli.html_page import Page


def page_of(ork, *words):
    result = ork("report", *words, "-o", "-")
    assert (result.code, result.err) == (0, "")
    return Page(result.out)


@pytest.fixture
def hostile(ork):
    """The world with a task whose name is long, and whose log, error and output are naughty."""
    ork.write(
        "bad.py",
        """\
        def main(text):
            print("</pre></section><script>alert(1)</script>")
            print("\\x1b[31mred\\x1b[0m \\u202e \\x07")
            print("x" * 5000)
            raise ValueError("</code><img src=x onerror=alert(2)>" + chr(0x301) * 100000)


        def give():
            return {"a": "</pre><script>", "b": ["\\x1b]0;t\\x07"] * 3, "c": "y" * 100000}
        """,
    )
    ork.write(
        "bad.yaml",
        """\
        name: bad
        description: "</title><script>alert(3)</script>"
        params: {text: {type: str, default: "<b onclick='x'>"}}
        tasks:
          give: {executor: python, file: bad.py, function: give}
          main:
            executor: python
            file: bad.py
            function: main
            inputs: {text: {ref: params.text}}
            depends_on: [give]
          after: {executor: process, command: "true", depends_on: [main]}
        """,
    )
    ork.environ["ORK_AUTHOR_NAME"] = "<i>Ada</i> \u202e"
    assert ork("deploy", "bad.yaml", "-m", "</td><script>\n\n</div>\x1b[0m").code == 0
    assert ork("run", "bad").code == 1
    return ork


def test_a_run_that_failed(reworked):
    page = page_of(reworked, "etl#2")
    for words in (
        "etl#2",
        "What failed",
        "exited with code 3",
        "no rows",
        "Timeline",
        "check failed",
        "Ada Lovelace",
        "2026-02-01",
        "Check rows before loading",
        "What changed since etl#1, the last good run",
        "first to differ",
        "renamed from summarize",
        "echo joined $DAY",
    ):
        assert words in page.text, words
    assert {"failed", "success", "upstream_failed", "bar", "long"} <= page.classes
    assert page.counts["rect"] > 10


def test_a_traceback_that_is_in_the_error_and_in_the_log_is_shown_once(ork):
    flow = "name: sum\ntasks: {a: {executor: python, file: a.py}}\n"
    ork.write("sum.yaml", flow)
    ork.write("a.py", "def main():\n    raise ValueError('none')\n")
    assert ork("run", "sum.yaml").code == 1
    page = ork("report", "sum#1", "-o", "-").out
    assert page.count("Traceback (most recent call last)") == 1
    assert "the end of its log" not in page
    ork.write("a.py", "def main():\n    print('begun')\n    raise ValueError('none')\n")
    assert ork("run", "sum.yaml").code == 1
    assert "the end of its log" in ork("report", "sum#2", "-o", "-").out


def test_a_failure_of_which_all_is_said_in_a_line_has_nothing_to_fold_out(ork):
    step = "{executor: process, command: 'echo no rows; exit 3'}"
    ork.write("sum.yaml", f"name: sum\ntasks: {{a: {step}}}\n")
    assert ork("run", "sum.yaml").code == 1
    page = ork("report", "sum#1", "-o", "-").out
    failed = page.partition("What failed")[2].partition("Graph")[0]
    assert "exited with code 3: no rows" in failed and "<details" not in failed


@pytest.mark.slow
def test_tasks_that_failed_alike_are_told_together(ork):
    tasks = [f"  part_{n:02}: {{executor: python, file: part.py}}\n" for n in range(12)]
    tasks += [f"  step_{n}: {{executor: process, command: ./s}}\n" for n in range(3)]
    ork.write("sum.yaml", "name: sum\ntasks:\n" + "".join(tasks))
    ork.write(
        "part.py",
        """\
        import os
        def main():
            print("begun by", os.environ["ORK_TASK_NAME"])
            raise ValueError("none")
        """,
    )
    ork.write("s", "#!/bin/sh\necho no rows\nexit 3\n", executable=True)
    assert ork("run", "sum.yaml").code == 1
    page = page_of(ork, "sum#1")
    assert page.text.count("Traceback (most recent call last)") == 1
    failed = page.text.partition("What failed")[2].partition("Graph")[0]
    assert failed.count("12 tasks") == failed.count("3 tasks") == failed.count("no rows") == 1
    assert all(failed.count(f"part_{n:02}") >= 1 for n in range(12))
    assert "the end of the log of part_" in failed and failed.count("begun by") == 1


def test_a_run_that_succeeded_says_nothing_of_failures(reworked):
    page = page_of(reworked, "etl#1")
    assert "succeeded" in page.text and '"rows": 3' in page.text
    assert "What failed" not in page.text and "last good run" not in page.text


def test_without_a_name_it_is_of_the_only_workflow(reworked):
    assert all(name in page_of(reworked).text for name in ("etl#1", "etl#2", "Check rows"))


def test_a_change(reworked, golden):
    result = reworked("report", "etl~1..etl", "-o", "-")
    golden("report/change.html", re.sub(r"(?s)<style>.*</style>", "<style></style>", result.out))
    page = Page(result.out)
    for words in (
        "5 of 8 tasks can give other results",
        "The source sends empty files",
        "1 succeeded",
        "1 failed",
        "newest #2",
        "1 deploy, and the one before",
    ):
        assert words in page.text, words
    assert {"added", "removed", "changed", "renamed", "affected", "same"} <= page.classes


def test_a_change_between_two_runs_tells_how_both_went(reworked):
    page = page_of(reworked, "etl#1..etl#2")
    assert "The two runs" in page.text and "first other outcome" in page.text
    assert "check: exited with code 3" in page.text


def test_a_change_that_is_not_deployed_has_no_history(reworked, edit):
    edit("etl.yaml", "timeout: 600", "timeout: 900")
    page = page_of(reworked, "etl..etl.yaml")
    assert "900" in page.text and "History" not in page.text


def test_no_change_and_a_change_backwards(reworked):
    assert "The definition is the same" in page_of(reworked, "etl..etl").text
    page = page_of(reworked, "etl..etl~1")
    assert "renamed from summarise" in page.text and "no later deploy" in page.text
    assert "the same deploy on both sides" in page_of(reworked, "etl#1..etl#1").text


def test_a_workflow(reworked, golden):
    page = page_of(reworked, "etl")
    told = ("every day at 00:00, UTC", 'day date = "2026-02-0')
    for words in (*told, "Fetch, clean, load", "Deploys", "Runs", "etl#1", "etl#2", "First"):
        assert words in page.text, words
    snapshot = reworked("rev-parse", "etl^{snapshot}").out.strip()
    assert "Deploys" in page_of(reworked, snapshot).text


def test_a_workflow_that_never_ran(history):
    page = page_of(history, "etl")
    assert "Deploys" in page.text and "took" not in page.text


def test_a_run_that_goes_on_with_another_round(reworked, edit):
    assert reworked("retry", "etl#2").code == 1
    page = page_of(reworked, "etl#2")
    assert "round 2" in page.text


def test_a_run_without_a_deploy(etl):
    assert etl("run", "etl.yaml", "--no-deploy").code == 0
    assert "unattached" in page_of(etl, "etl#1").text


def test_whatever_a_task_printed_or_raised_is_text(hostile):
    result = hostile("report", "bad#1", "-o", "-")
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", result.out)
    assert len(result.out) < 200_000
    page = Page(result.out)
    assert "</pre></section><script>alert(1)</script>" in page.text
    assert "^[[31mred^[[0m <U+202E> ^G" in page.text
    assert "<img src=x onerror=alert(2)>" in page.text
    assert "more characters" in page.text
    assert "<b onclick='x'>" in page.text
    for subject in ("bad", "bad..bad"):
        page_of(hostile, subject)


def test_a_log_that_is_gone_is_no_trouble(reworked):
    for folder, _, files in os.walk(reworked.folder / ".ork" / "logs"):
        for file in files:
            os.unlink(os.path.join(folder, file))
    page = page_of(reworked, "etl#2")
    assert "exited with code 3" in page.text and "the end of its log" not in page.text


def test_the_page_goes_to_a_file(reworked):
    result = reworked("report", "etl#2", "-o", "run.html")
    assert (result.code, result.out) == (0, "")
    assert result.err == "wrote run.html\n"
    Page((reworked.folder / "run.html").read_text())
    assert sorted(os.listdir(reworked.folder)) == [
        ".ork",
        "etl.yaml",
        "load.sh",
        "run.html",
        "tasks",
    ]
    result = reworked("report", "etl#2", "-o", "nowhere/run.html")
    assert (result.code, result.out) == (2, "")
    assert "No such file" in result.err


def test_what_cannot_be_reported(reworked):
    assert reworked("report", "etl#1").code == 2  # -o is needed
    for subject in ("nope", "etl#9", "etl~9..etl", "etl:clean", "etl#2:check"):
        result = reworked("report", subject, "-o", "a.html")
        assert (result.code, result.out) == (3, ""), subject
    assert not (reworked.folder / "a.html").exists()
