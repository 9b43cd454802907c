"""Data is data, whatever it is called and whoever names it, and never a new version."""

from __future__ import annotations

from tests.conftest import Ork


def test_a_second_run_sees_what_the_first_task_wrote_now(ork: Ork) -> None:
    ork.write("use.py", "def main(): return open('fetched.txt').read().strip()\n")
    ork.write(
        "w.yaml",
        """\
        name: w
        tasks:
          fetch: {executor: process, command: cp source.txt fetched.txt}
          use: {executor: python, file: use.py, depends_on: [fetch]}
          train:
            executor: process
            command: python train.py fetched.txt model.txt
            depends_on: [fetch]
        """,
    )
    ork.write("train.py", "import sys\nopen(sys.argv[2], 'w').write(open(sys.argv[1]).read())\n")
    for day in ("monday", "tuesday"):
        ork.write("source.txt", f"{day}\n")
        assert ork("run", "w.yaml").code == 0
        assert day in ork("outputs", "w:use").out
        assert (ork.folder / "fetched.txt").read_text() == f"{day}\n"
        assert (ork.folder / "model.txt").read_text() == f"{day}\n"
    assert len(ork("log", "w", "--oneline").out.splitlines()) == 1


def test_words_of_a_command_that_name_files_are_what_they_are(ork: Ork) -> None:
    for name in ("data.csv", "done", "build"):
        ork.write(name, "x\n")
    ork.write(
        "w.yaml",
        """\
        name: w
        tasks:
          archive: {executor: process, command: tar cf out.tar data.csv && tar tf out.tar}
          sums: {executor: process, command: cksum data.csv > SUMS && cat SUMS}
          loop: {executor: process, command: for i in 1 2; do echo $i; done}
          word: {executor: process, command: echo docker build .}
          edit: {executor: process, command: sed -i s/x/y/ data.csv, depends_on: [archive, sums]}
        """,
    )
    assert ork("run", "w.yaml").code == 0
    logs = {name: ork("logs", f"w:{name}").out for name in ("archive", "sums", "loop", "word")}
    assert logs["archive"] == "data.csv\n"
    assert logs["sums"].endswith(" data.csv\n")
    assert (logs["loop"], logs["word"]) == ("1\n2\n", "docker build .\n")
    assert (ork.folder / "data.csv").read_text() == "y\n"
    assert ork("run", "w.yaml").code == 0
    assert len(ork("log", "w", "--oneline").out.splitlines()) == 1


def test_a_script_that_the_workflow_writes_is_no_version_of_its_own(ork: Ork) -> None:
    ork.write("template", "echo $WORD\n")
    ork.write(
        "w.yaml",
        """\
        name: w
        tasks:
          make: {executor: process, command: sed "s/.WORD/$(cat word)/" template > made.sh}
          use: {executor: process, command: sh made.sh, depends_on: [make]}
        """,
    )
    for word in ("one", "two"):
        ork.write("word", word)
        assert ork("run", "w.yaml").code == 0
        assert ork("logs", "w:use").out == f"{word}\n"
    assert len(ork("log", "w", "--oneline").out.splitlines()) == 1
    assert ork("check", "w.yaml", "--files").out == (
        "w  w.yaml: good\n  w.yaml:4: it is not known what this executes: made.sh\n"
    )
