"""What is captured, beside what really executes: every file of code tells of itself when it does.

Random projects of scripts that source, start and import each other in all ways that are understood,
read each other as data, and now and then execute what only a run can know.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ork.definition.reach import reach
from ork.definition.workflow import parse
from ork.worktree.capture import capture
from ork.worktree.folder import Root
from tests.scale import examples

STARTED = ("run0.sh", "sub/run1.sh", "sub/deep/run2.sh", "bin/tool")
SOURCED = ("lib/l0.sh", "lib/l1.sh", "lib/more/l2.sh", "l3.sh")
SCRIPTS = ("tools/p0.py", "tools/p1.py", "p2.py")
MODULES = ("tools/m0.py", "tools/pkg/__init__.py", "tools/pkg/n.py", "tools/extra/e.py", "src/s.py")
ORDER = STARTED + SOURCED + SCRIPTS + MODULES  # each executes only what comes after it

START = (
    "bash {path}",
    "./{path}",
    "(cd {folder} && bash ./{name})",
    "timeout 20 bash -eu {path}",
    "X{n}={path}; ./$X{n}",
    "bash -c 'echo; ./{path}'",
    "echo $(bash {path}) > made.txt",
    "if true; then ./{path}; fi",
    "run() {{ ./{path}; }}; run",
    "sh -c '\"$0\"' ./{path}",
    "echo ./{path} | bash",
    "cat <<E | bash\n./{path}\nE",
    "echo ./{path} > line{n}.sh; sh line{n}.sh",
    "echo x | xargs -n1 bash {path}",
    "awk 'BEGIN {{ system(\"bash {path}\") }}'",
    "find . -path ./{path} -exec bash ./{path} \\;",
)
SOURCE = (
    ". ./{path}",
    "source {path}",
    '. "$(dirname "${{BASH_SOURCE[0]}}")/{beside}"',
    'HERE{n}=$(cd "$(dirname "${{BASH_SOURCE[0]}}")" && pwd)\n. "$HERE{n}/{beside}"',
    "LIB{n}=./{folder}; . $LIB{n}/{name}",
    "for f{n} in {name}; do . ./{folder}/$f{n}; done",
)
PYTHON = (
    "python {path}",
    "PYTHONPATH=src python -B {path}",
    "python - < {path}",
    "(cd {folder} && python {name})",
)
IMPORT = (
    "import m0",
    "import pkg",
    "from pkg import n",
    "import pkg.n as other",
    "import s",
    "from importlib import import_module\nimport_module('pkg.n')",
    "here = os.path.dirname(__file__)\nsys.path.insert(0, os.path.join(here, 'extra'))\nimport e",
    "from pathlib import Path\nsys.path.append(str(Path('tools/extra')))\nimport e",
    "import runpy\nrunpy.run_path('tools/pkg/n.py')",
)
COMMANDS = ("bash run0.sh", "./run0.sh", "./bin/tool; python tools/p0.py")
DATA = ("cat {path} data.csv > copy.txt", "grep -c x {path} || true", "sort < {path} > sorted.txt")
HIDDEN = 'echo "lib/open.sh" >> "$SEEN"\n'  # lib/open.sh, which only a run can find
OPEN = (
    "NAME=$(cat name.txt); . ./lib/$NAME",
    "cat name.txt | while read x; do . lib/$x; done",
)
OPEN_PYTHON = ("__import__(open('name.txt').read().strip().replace('open.sh', 'm0'))",)


def shell_lines(path: str, dice: random.Random) -> list[str]:
    lines = [f'echo "{path}" >> "$SEEN"']
    for _ in range(dice.randrange(1, 4)):
        target = dice.choice(ORDER[ORDER.index(path) + 1 :])
        folder, _, name = target.rpartition("/")
        forms = PYTHON if target in SCRIPTS else SOURCE if target in SOURCED else START
        if target in MODULES or dice.random() < 0.2:
            forms = DATA
        if dice.random() < 0.04:
            forms = OPEN
        beside = os.path.relpath(target, os.path.dirname(path) or ".")
        form = dice.choice(forms)
        about = {"folder": folder or ".", "name": name, "beside": beside, "n": len(lines)}
        lines.append(form.format(path=target, **about))
    return lines


def python_lines(path: str, dice: random.Random) -> list[str]:
    lines = ["import os, sys", f"open(os.environ['SEEN'], 'a').write('{path}\\n')"]
    for _ in range(dice.randrange(1, 3) if path in SCRIPTS else 0):
        form = dice.choice(OPEN_PYTHON if dice.random() < 0.04 else IMPORT)
        inner = form.replace("\n", "\n    ")
        lines.append(f"try:\n    {inner}\nexcept (ImportError, NameError, OSError):\n    pass")
    return lines


def text_of(path: str, dice: random.Random) -> str:
    """Return what a file of code holds."""
    lines = python_lines(path, dice) if path.endswith(".py") else shell_lines(path, dice)
    return "".join(f"{line}\n" for line in ["#!/usr/bin/env bash"] * (path in STARTED) + lines)


def write(folder: Path, texts: dict[str, str]) -> None:
    """Write a project of these files of code, and some data."""
    data = {"lib/open.sh": HIDDEN, "data.csv": "x\n", "name.txt": "open.sh\n"}
    for path, text in {**data, **texts}.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(0o755)


def executed(folder: Path, command: str) -> set[str]:
    seen = folder.parent / "seen"
    seen.unlink(missing_ok=True)
    environ = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "SEEN": str(seen)}
    environ["PYTHONDONTWRITEBYTECODE"] = "1"
    words = ["sh", "-c", command]
    nothing = subprocess.DEVNULL
    subprocess.run(
        words, cwd=folder, env=environ, stdin=nothing, capture_output=True, check=False, timeout=60
    )
    return set(seen.read_text().split()) if seen.exists() else set()


def differing(seed: int) -> tuple[set[str], set[str]]:
    """Return what executed and was not captured, and the other way round."""
    dice = random.Random(seed)
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top, "project")
        folder.mkdir()
        write(folder, {path: text_of(path, dice) for path in ORDER})
        command = dice.choice(COMMANDS)
        text = f"name: w\ntasks: {{a: {{executor: process, command: '{command}'}}}}\n"
        definition = parse(text.encode(), file="w.yaml")
        found = capture(definition, folder, file="w.yaml")
        root = Root(folder)
        reached = reach(definition.tasks, read=lambda path: root.read(path).data, kind=root.kind)
        assert reached["a"].files == set(found.files)
        assert reached["a"].complete == (not found.unknown and not found.silent)
        ran = executed(folder, command)
    captured = set(found.files)
    return (ran - captured if reached["a"].complete else set()), captured - ran


@pytest.mark.slow
@settings(deadline=None, max_examples=examples(25))
@given(seed=st.integers(0, 10**9))
def test_what_executes_is_captured_or_known_to_be_open(seed: int) -> None:
    missed, idle = differing(seed)
    assert missed == set()
    # Code from standard input has no `__file__`, by which it would find this one.
    assert idle <= {"tools/extra/e.py"}
