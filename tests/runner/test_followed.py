"""Old versions execute what they had, whatever starts it and in whichever language."""

from __future__ import annotations

import py_compile
import shutil
from pathlib import Path

import pytest

from tests.conftest import Ork

PROJECTS: dict[str, tuple[str, dict[str, str]]] = {
    "make": ("make -s say", {"Makefile": "say:\n\t@sh s/say.sh\n", "s/say.sh": "echo old\n"}),
    "node": (
        "node js/x.js",
        {"js/x.js": "require('./lib')", "js/lib/index.js": "console.log('old')"},
    ),
    "perl": (
        "perl -Ilib x.pl",
        {"x.pl": "use A::B;\n", "lib/A/B.pm": "print qq(old\\n);\n1;\n"},
    ),
    "sqlite3": (
        "sqlite3 x.db < x.sql",
        {"x.sql": ".read q/say.sql\n", "q/say.sql": "select 'old';\n"},
    ),
    "sh": ('eval "$(cat x.sh)"', {"x.sh": "echo old\n"}),
    "python3": (
        "python3 s/x.py",
        {
            "s/x.py": "import subprocess\nfrom pathlib import Path\n"
            "subprocess.run(f'sh {Path(__file__).parent}/say.sh', shell=True)\n",
            "s/say.sh": "echo old\n",
        },
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("program", PROJECTS)
def test_an_old_version_executes_what_it_had(ork: Ork, program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    line, files = PROJECTS[program]
    ork.write("w.yaml", f"name: w\ntasks:\n  say:\n    executor: process\n    command: {line}\n")
    for path, text in files.items():
        ork.write(path, text)
    *_, last = files
    assert ork("run", "w.yaml").code == 0
    ork.write(last, files[last].replace("old", "new"))
    assert said(ork) == ["old\n", "new\n", "old\n"]


def test_an_old_version_executes_the_machine_code_that_it_had(ork: Ork) -> None:
    ork.write("x.py", "import m\n")
    ork.write("w.yaml", "name: w\ntasks: {say: {executor: process, command: python3 -u x.py}}\n")
    compiled(ork.folder / "m.py", "old")
    assert ork("run", "w.yaml").code == 0
    compiled(ork.folder / "m.py", "new")
    assert said(ork) == ["old\n", "new\n", "old\n"]


def said(ork: Ork) -> list[str]:
    """Return what the first run said, one of what is there now, and one of the version before."""
    for revision in ("w.yaml", "w~1"):
        assert ork("run", revision).code == 0
    return [ork("logs", f"w#{number}:say").out for number in (1, 2, 3)]


def compiled(source: Path, word: str) -> None:
    """Write the byte code of a module, without its source."""
    source.write_text(f"print({word!r})\n")
    py_compile.compile(str(source), str(source.with_suffix(".pyc")), doraise=True)
    source.unlink()
