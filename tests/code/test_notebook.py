"""What the cells of a notebook name."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from ork.code.python import notebook
from ork.code.python.notebook import read_notebook
from ork.code.use import WORK, Code, Unreadable

R = {"kernelspec": {"name": "ir", "language": "R"}}


def text_of(*cells: str, metadata: object = None, indent: int | None = 1) -> bytes:
    """Return a notebook as Jupyter writes it."""
    found: list[dict[str, Any]] = [
        {"cell_type": "markdown", "metadata": {}, "source": ["import prose\n"]}
    ]
    for cell in cells:
        found.append(
            {
                "cell_type": "code",
                "execution_count": 1,
                "metadata": {},
                "outputs": [
                    {"output_type": "stream", "name": "stdout", "text": ["import printed\n"]}
                ],
                "source": cell.splitlines(keepends=True),
            }
        )
    whole = {"cells": found, "metadata": metadata or {}, "nbformat": 4, "nbformat_minor": 4}
    return json.dumps(whole, indent=indent, ensure_ascii=False).encode()


def code(*cells: str) -> Code:
    found = read_notebook(text_of(*cells))
    assert isinstance(found, Code)
    return found


def names(*cells: str) -> list[str]:
    """Return the modules that cells import, the files that they name, ? for what is not known."""
    found = []
    for use in code(*cells).uses:
        if use.role == "command":
            continue
        if use.role == "unclear" or None in use.paths:
            found.append("?")
        elif use.paths:
            found += [f"{use.role} {path.removeprefix(f'{WORK}/')}" for path in use.paths if path]
        else:
            found.append(use.text)
    return sorted(found)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["import a\n", "from b import c"], ["a", "b", "b.c"]),
        (["import importlib as i", "i.import_module('a')"], ["a", "importlib"]),
        (
            ['x = 1\n%matplotlib inline\nimport a\n!echo "it\'s ("\n?x\nx??\nx.y?\nimport b'],
            ["a", "b"],
        ),
        (["for i in x:\n    !ls $i\n    %time f()\n    import a"], ["a"]),
        (["files = !ls\nt = %timeit -o -n 10 f()\nimport a"], ["a"]),
        (["%time import a\n%time not python\nimport b"], ["a", "b"]),
        (["%pip install \\\n   numpy\nimport a"], ["a"]),
        (["%%time\nimport a\n%matplotlib inline\nimport b"], ["a", "b"]),
        (["%%capture out\n%%time\nimport a", "\n%%html\n<b>import a</b>"], ["a"]),
        (["%%sql\nselect 1", "%%javascript\nimport x from 'y'; {", "import a"], ["a"]),
        (["ls -la", "pip install x y", "import a"], ["a"]),
        (['%load_ext autoreload\ns = """\n%run no.py\n!./no\n"""\nimport a'], ["a", "autoreload"]),
        (["%matplotlib inline\nx = (a\n  % b)\nimport a"], ["a"]),
        (["await f()\nasync with x: import a"], ["a"]),
        # what is no Python, or names what only a run knows
        (["import a", "if x\nimport no", "import b"], ["?", "a", "b"]),
        (["importlib.import_module(x)", "%run $x", "%run {x}.py"], ["?", "?", "?"]),
        # code files
        (
            ["%run helper.py a b\n%run -i -N 2 'sub/x y'"],
            ["imported helper.py", "imported sub/x y.py"],
        ),
        (["%run ../other.ipynb", "run x.py"], ["imported ../other.ipynb", "imported x.py"]),
        (["%run -m pkg.mod x"], ["pkg.mod"]),
        (
            ["!python x.py {y}\n!!./z", "x = !sh a.sh"],
            ["program ./z", "script a.sh", "script x.py"],
        ),
        (["!./{x}\n%system ./a"], ["?", "program ./a"]),
        (["%%bash\n./a\ncat <<E\nE", "%%script sh\n./b"], ["program ./a", "program ./b"]),
        (["import subprocess", "subprocess.run(['sh', 'a.sh'])"], ["script a.sh", "subprocess"]),
    ],
)
def test_what_cells_name(cells: list[str], expected: list[str]) -> None:
    assert names(*cells) == expected


def test_what_cells_write_and_where_they_search() -> None:
    found = code("%%writefile a.py\nimport no", "!x > b", "%cd ..", "%run sub/c.py")
    assert found.writes == {f"{WORK}/a.py", f"{WORK}/b"}
    assert found.search == {f"{WORK}/..", f"{WORK}/sub/c.py/.."}


@pytest.mark.parametrize("indent", [1, None])
def test_a_place_is_that_in_the_file(indent: int | None) -> None:
    cells = ("x = 'ä'\n%matplotlib inline", "import a\n\nb = __import__(y)")
    data = text_of(*cells, indent=indent)
    found = read_notebook(data)
    assert isinstance(found, Code)
    (use,) = (use for use in found.uses if use.paths)
    line = data.decode().splitlines()[use.line - 1]
    assert line[use.column - 1 :].startswith('__import__(y)"')
    found = read_notebook(data.replace(b"__import__(y)", b"__import__(\\u0079)"))
    assert isinstance(found, Code)
    assert [(use.line, use.column) for use in found.uses if use.paths] == [(0, 0)]


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({}, ["a"]),
        ({"kernelspec": {"name": "x"}, "language_info": None}, ["a"]),
        ({"kernelspec": {"language": "python"}, "language_info": {"name": "python"}}, ["a"]),
        (R, [""]),
        ({"language_info": {"name": "julia"}}, [""]),
    ],
)
def test_of_other_languages_nothing_is_known(metadata: object, expected: list[str]) -> None:
    found = read_notebook(text_of("import a", metadata=metadata))
    assert isinstance(found, Code)
    assert [use.text for use in found.uses] == expected
    assert all(use.role == "unclear" for use in found.uses if not use.text)


WHOLE = text_of("import a")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"import a",
        b"[]",
        b"{}",
        b"\xff\xfe",
        WHOLE[:-5],
        WHOLE + b"x",
        b'{"cells": 1}',
        b'{"cells": [1]}',
        b'{"cells": [{"cell_type": "code", "source": 1}]}',
        b'{"worksheets": [{"cells": []}], "nbformat": 3}',
        b'{"cells": [], "metadata": []}',
        b"[" * 1_000_000,
        b'{"a":' * 1_000_000,
        b'{"cells": [{"cell_type": "code", "source": "' + b"x" * 2_000_000 + b'"}]}',
    ],
    ids=lambda data: data[:20].decode("latin-1"),
)
def test_what_is_no_notebook_is_a_result(data: bytes) -> None:
    assert isinstance(read_notebook(data), Unreadable)


@pytest.mark.parametrize(
    ("head", "unit"),
    [
        ("", "%%x\n"),
        ("", "%run a\n"),
        ("", "!x\n"),
        ("", "x?\n"),
        ("", "if x\n"),
        ("", "import a\n"),
        ("!", "x"),
        ("!", "$("),
        ("%run ", "'"),
        *(
            ("!x\n", unit)
            for unit in ("'\\", "(", " ", "a=", "%", "?", "'''", "-", "\\\n", "%x \\\n")
        ),
    ],
)
def test_a_hostile_cell_costs_little_and_the_others_are_read(head: str, unit: str) -> None:
    found = read_notebook(text_of("import a", head + unit * (250_000 // len(unit))))
    assert isinstance(found, Unreadable) or "a" in [use.text for use in found.uses]


@pytest.mark.parametrize(
    "cell", ["x\0y", "# coding: nothing-known\nimport x", "x = '\\", "\ufeffx", "\r"]
)
def test_an_odd_cell_does_not_hide_the_others(cell: str) -> None:
    assert "a" in names("import a", cell)


@pytest.mark.parametrize("cell", ['"source": ""', '"source": [' + '"", ' * 100 + '""]'])
def test_very_many_cells_or_lines_cost_little(cell: str) -> None:
    one = f'{{"cell_type": "code", {cell}}}'
    many = ",".join([one] * (8_000_000 // len(one)))
    assert isinstance(read_notebook(f'{{"cells": [{many}]}}'.encode()), Unreadable)


def test_a_notebook_of_many_outputs_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook, "CODE_MAX", 10)  # of code alone
    found = read_notebook(text_of("import a").replace(b"printed", b"x" * 15_000_000))
    assert isinstance(found, Code)
    assert [use.text for use in found.uses] == ["a"]
    assert isinstance(read_notebook(text_of("import a", "x = 1")), Unreadable)


def cell(source: object, **more: object) -> dict[str, object]:
    return {"cell_type": "code", "source": source, "metadata": {}, **more}


def as_lines(*cells: object, **more: object) -> list[str]:
    whole = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5, **more}
    return (notebook.cells_text(json.dumps(whole).encode()) or "").split("\n")


def test_for_people_a_notebook_is_its_cells_with_outputs_of_a_line() -> None:
    picture = {
        "output_type": "display_data",
        "data": {"image/png": "iVBOR" * 100, "text/plain": ""},
    }
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": ["a\n"]},
        picture,
        {"output_type": "error", "ename": "ValueError"},
    ]
    found = as_lines(
        cell(["a = 1\n", "b"], execution_count=3, outputs=outputs, id="x"),
        cell("", execution_count=None, outputs=[]),
        {"cell_type": "markdown", "source": "# T", "attachments": {"a.png": "iVBOR" * 100}},
    )
    assert [re.sub(", [0-9a-f]{8}$", ", HASH", line) for line in found] == [
        '# %% code {"id": "x"}',
        "a = 1",
        "b",
        "# output [3] stdout, image/png, text/plain, ValueError: 689 characters, HASH",
        "# %% code",
        "",
        "# %% markdown attachments: 530 characters, HASH",
        "# T",
        '# notebook {"metadata": {}, "nbformat": [4, 5]}',
        "",
    ]


@pytest.mark.parametrize(
    "other",
    [
        as_lines(cell("b")),
        as_lines(cell("a", id="b")),
        as_lines(cell("a", execution_count=1)),
        as_lines(cell("a", outputs=[{"name": "x"}])),
        as_lines(cell("a"), metadata={"b": 1}),
        as_lines(cell("a"), nbformat_minor=4),
    ],
)
def test_all_but_the_layout_of_a_notebook_shows(other: list[str]) -> None:
    assert as_lines(cell("a")) != other
    assert as_lines(cell(["a"], outputs=[])) == as_lines(cell("a"))


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b'{"cells": 1}', b'{"cells": [1], "nbformat": 4}', b"[" * 100_000, b"\xff"],
)
def test_what_is_no_notebook_has_no_cells(data: bytes) -> None:
    assert notebook.cells_text(data) is None


def test_a_notebook_of_odd_values_has_lines_all_the_same() -> None:
    odd = ({}, cell(3, outputs=4), cell([1, None], outputs=[1, {}, {"data": 5}]), cell({"a": 1}))
    assert len(as_lines(*odd)) > len(odd)
