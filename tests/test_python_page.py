"""docs/python.md, made from the docstrings, and their examples."""

import doctest
import importlib.util
import inspect
import re
from pathlib import Path

import pytest

import ork as library
from tests.orkdb.databases import fill, sqlite

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(scope="module")
def generator():
    place = importlib.util.spec_from_file_location("python_page", DOCS / "python_page.py")
    module = importlib.util.module_from_spec(place)
    place.loader.exec_module(module)
    return module


def test_the_page_is_not_stale(generator):
    assert (DOCS / "python.md").read_text() == generator.page(), "run `make docs`"


def test_what_the_page_names_can_be_imported(generator):
    signatures = re.findall(
        r"(?s)### (?:ork|project)\.\w+\n\n```python\n(\w+\(.*?)\n```", generator.page()
    )
    assert len(signatures) == len(generator.functions())
    named = {name for text in signatures for name in re.findall(r"\b[A-Z]\w+", text)}
    others = {
        "Any",
        "Collection",
        "Iterator",
        "Judge",
        "Literal",
        "Mapping",
        "Path",
        "Sequence",
        "Store",
        "Unpack",
    }
    assert named - others - {"False", "None", "True"} <= set(library.__all__)


@pytest.fixture
def world(etl, edit):
    """What the examples name: etl with a good run and a failed one, and what lies beside it."""
    etl("run", "etl.yaml", "-m", "Begin")
    edit("load.sh", "3}'", "3}'; exit 1")
    etl("deploy", "etl.yaml", "-m", "Say what is loaded")
    edit("etl.yaml", "0 2 * * *", "30 6 * * mon-fri")
    etl("deploy", "etl.yaml", "-m", "Start later")
    etl("run", "etl")
    edit("etl.yaml", "timeout: 300", "timeout: 600")
    for name in ("team", "restored", "old"):
        (etl.folder.parent / name).mkdir()
    etl("init", "../team")
    original = sqlite(etl.folder.parent / "old" / ".ork" / "ork.db")
    fill(original)
    original.close()
    return etl


@pytest.mark.slow
def test_a_line_is_renewed_as_the_page_says(world, generator, capsys):
    snippets = re.findall(r"```python\n([^`]*)```", generator.page())
    (snippet,) = [one for one in snippets if r"\r" in one]
    with library.open() as project:
        exec(snippet, {"project": project})  # noqa: S102 - it is ours
    *_, started, ended = capsys.readouterr().out.split("\r")
    assert started.startswith("<TaskFinished load, failed")
    assert ended.startswith("<RunFinished etl#3, failed") and len(ended) == 79


@pytest.mark.slow
def test_the_examples_of_all_methods_say_what_happens(world, generator):
    names = {"ork": library, "Path": Path, "project": library.open()}
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.REPORT_NDIFF)
    parser = doctest.DocTestParser()
    said = []
    functions = sorted(generator.functions().items(), key=lambda item: item[0].startswith("ork."))
    for name, one in functions:  # those of a project first, which the last of them closes
        test = parser.get_doctest(inspect.getdoc(one) or "", {}, name, name, 0)
        test.globs = names  # what one example makes, the next ones use
        assert test.examples, f"the docstring of {name} needs an example"
        runner.run(test, out=said.append, clear_globs=False)
    assert "".join(said) == ""
