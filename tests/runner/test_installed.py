"""Code that is installed from where it is developed, as `pip install -e .` does."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.conftest import Ork

FLOW = """\
    name: flow
    tasks:
      py: {executor: python, file: tasks/code.py}
      sh: {executor: process, command: python scripts/say.py}
"""
CODE = "from houselib.core import word\ndef main():\n    return word()\n"
SAY = "import json\nfrom houselib.core import word\nprint('ORK_OUTPUT:' + json.dumps(word()))\n"


@pytest.fixture(params=["src", ".", "lib"])
def house(ork: Ork, request: pytest.FixtureRequest) -> Ork:
    """A project with a package, in an environment that finds it by a file `.pth`."""
    place = request.param
    ork.write("flow.yaml", FLOW)
    ork.write("pyproject.toml", "")
    if place == "lib":
        ork.write("setup.py", "setup(package_dir={'': 'lib'})")
    ork.write("tasks/code.py", CODE)
    ork.write("scripts/say.py", SAY)
    ork.write(f"{place}/houselib/__init__.py", "")
    ork.write(f"{place}/houselib/core.py", "def word():\n    return 'old'\n")
    words = [sys.executable, "-m", "venv", "--without-pip", str(ork.folder / ".venv")]
    subprocess.run(words, check=True)
    (site,) = (ork.folder / ".venv").glob("lib/python*/site-packages")
    (site / "house.pth").write_text(str((ork.folder / place).resolve()))
    ork.place = place  # type: ignore[attr-defined]
    return ork


def tool(house: Ork, table: str = "pyproject.toml") -> None:
    """Let the project have a console script, which is installed as pip does it."""
    tables = {
        "pyproject.toml": "[project.scripts]\nhouse-say = 'houselib.cli:main'\n",
        "setup.cfg": "[options.entry_points]\nconsole_scripts =\n  house-say = houselib.cli:main\n",
    }
    (house.folder / "pyproject.toml").unlink()
    house.write(table, tables[table])
    cli = SAY.replace("print", "def main(): print")
    house.write(f"{house.place}/houselib/cli.py", cli)
    python = house.folder / ".venv/bin/python"
    script = f"#!{python}\nimport sys\nfrom houselib.cli import main\nsys.exit(main())\n"
    house.write(".venv/bin/house-say", script, executable=True)


def said(ork: Ork, run: str) -> dict[str, str]:
    found: dict[str, str] = json.loads(ork("outputs", run, "--json").out)["data"]
    return found


@pytest.mark.slow
def test_what_is_installed_from_the_project_is_captured_and_executed_as_it_was(house):
    assert house("run", "flow.yaml").code == 0
    core = f"{house.place}/houselib/core.py".removeprefix("./")
    assert core in house("show", "flow").out
    (house.folder / core).write_text("def word():\n    return 'new'\n")
    assert "2 tasks can give other results" in house("diff").out
    assert house("run", "flow.yaml").code == 0
    assert said(house, "flow#2") == {"py": "new", "sh": "new"}
    assert house("run", "flow~1").code == 0
    assert said(house, "flow#3") == {"py": "old", "sh": "old"}
    assert house("run", "flow#2", "--checkout").code == 0
    assert said(house, "flow#4") == {"py": "new", "sh": "new"}


@pytest.mark.slow
def test_a_finder_of_setuptools_is_followed_as_well(house):
    (site,) = (house.folder / ".venv").glob("lib/python*/site-packages")
    package = (house.folder / house.place / "houselib").resolve()
    (site / "house.pth").write_text(
        "import __editable___house_finder; __editable___house_finder.install()"
    )
    (site / "__editable___house_finder.py").write_text(
        "import sys\nfrom importlib.util import spec_from_file_location\n"
        f"MAPPING = {{'houselib': {str(package)!r}}}\n"
        "class Finder:\n"
        "    @classmethod\n"
        "    def find_spec(cls, name, path=None, target=None):\n"
        "        if name in MAPPING:\n"
        "            return spec_from_file_location(name, MAPPING[name] + '/__init__.py')\n"
        "def install():\n    sys.meta_path.append(Finder)\n"
    )
    assert said_of_both(house) == ["old", "new", "old"]


def said_of_both(house: Ork) -> list[str]:
    """Return what the tasks say before an edit, after it, and in the version before it."""
    assert house("run", "flow.yaml").code == 0
    core = house.folder / house.place / "houselib" / "core.py"  # type: ignore[attr-defined]
    core.write_text("def word():\n    return 'new'\n")
    assert house("run", "flow.yaml").code == 0
    assert house("run", "flow~1").code == 0
    runs = [set(said(house, f"flow#{number}").values()) for number in (1, 2, 3)]
    return [" and ".join(sorted(words)) for words in runs]


@pytest.mark.slow
def test_a_link_to_a_package_is_followed_as_well(house):
    (site,) = (house.folder / ".venv").glob("lib/python*/site-packages")
    (site / "house.pth").unlink()
    (site / "houselib").symlink_to((house.folder / house.place / "houselib").resolve())
    assert said_of_both(house) == ["old", "new", "old"]


@pytest.mark.slow
def test_what_a_python_task_starts_finds_the_checkout_as_well(house):
    source = (
        "import subprocess, sys\ndef main():\n"
        "    words = [sys.executable, '-c', 'import houselib.core as c; print(c.word())']\n"
        "    return subprocess.check_output(words, text=True, cwd='tasks').strip()\n"
    )
    house.write("tasks/code.py", source)
    assert said_of_both(house) == ["old", "new", "old"]


@pytest.mark.slow
@pytest.mark.parametrize("house", ["src"], indirect=True)
def test_the_environment_of_ork_leads_to_the_checkout_as_well(house):
    house.environ["PYTHONPATH"] = f"/nowhere:{house.folder}/src"
    house.environ["PATH"] = f"{house.folder}/src/bin:/usr/bin:/bin"
    (house.folder / "pyproject.toml").unlink()  # so that nothing else leads there
    house.write("src/bin/tool", "#!/bin/sh\npython scripts/say.py; : 1\n", executable=True)
    (house.folder / "src/bin/python").symlink_to(sys.executable)
    tasks = "tasks: {sh: {executor: process, command: tool}}\n"
    house.write(
        "flow.yaml", f"name: flow\ninclude: [src/bin/tool, src/**/*.py, scripts/*]\n{tasks}"
    )
    assert said_of_both(house) == ["old", "new", "old"]
    house.write("src/bin/tool", "#!/bin/sh\necho 'ORK_OUTPUT:0'\n", executable=True)
    assert house("run", "flow~1").code == 0
    assert said(house, "flow#4") == {"sh": "old"}


@pytest.mark.slow
@pytest.mark.parametrize("house", ["src"], indirect=True)
def test_links_to_what_is_installed_lead_a_program_to_the_checkout_as_well(house):
    """As `editable_mode=strict` makes them, in a folder of its own."""
    (site,) = (house.folder / ".venv").glob("lib/python*/site-packages")
    links = house.folder / "build" / "houselib"
    links.mkdir(parents=True)
    for path in (house.folder / "src" / "houselib").iterdir():
        (links / path.name).symlink_to(path)
    (site / "house.pth").write_text(str(links.parent))
    assert house("run", "flow.yaml", "--only", "sh").code == 0
    (house.folder / "src/houselib/core.py").write_text("def word():\n    return 'new'\n")
    assert house("run", "flow.yaml", "--only", "sh").code == 0
    assert house("run", "flow~1", "--only", "sh").code == 0
    assert [said(house, f"flow#{n}")["sh"] for n in (1, 2, 3)] == ["old", "new", "old"]


@pytest.mark.slow
@pytest.mark.parametrize("table", ["pyproject.toml", "setup.cfg"])
def test_a_console_script_executes_what_was_captured(house, table):
    tool(house, table)
    house.write("scripts/say.sh", "env X=1 house-say\n")
    flow = FLOW.replace("python scripts/say.py", "sh scripts/say.sh")
    house.write("flow.yaml", f"{flow}      own: {{executor: process, command: house-say}}\n")
    assert said_of_both(house) == ["old", "new", "old"]
    assert table in house("show", "flow").out


def test_programs_find_the_interpreter_of_the_tasks(house):
    house.write(
        "which.yaml", "name: which\ntasks: {a: {executor: process, command: command -v python}}\n"
    )
    assert house("run", "which.yaml").code == 0
    assert house("logs", "which#1:a").out == f"{house.folder}/.venv/bin/python\n"


def test_without_a_packaging_file_nothing_more_is_captured(house):
    flow = "name: flow\ntasks: {sh: {executor: process, command: python scripts/say.py}}\n"
    house.write("flow.yaml", flow)
    assert "houselib/core.py" in house("check", "flow.yaml", "--files").out
    for name in ("pyproject.toml", "setup.py"):
        (house.folder / name).unlink(missing_ok=True)
    assert "houselib" not in house("check", "flow.yaml", "--files").out
