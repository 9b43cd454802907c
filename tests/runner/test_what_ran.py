"""What ran is what is recorded: whatever is edited meanwhile, or the attempt is tainted by name.

Every captured file says its version when it is executed, imported or read. So the log of an attempt
tells what it saw, which is compared with what `ork show RUN:PATH` gives.
"""

from __future__ import annotations

import json
import os
import random
import re
import threading
import time

import pytest

from tests.conftest import Ork

FILES = {
    "run.sh": "echo SAW run.sh {v}\n. ./lib/a.sh\nsleep 0.0{v}\nsh tool.sh\npython use.py\n",
    "tool.sh": "echo SAW tool.sh {v}\nsleep 0.0{v}\n. ./lib/b.sh\n",
    "lib/a.sh": "echo SAW lib/a.sh {v}\n. ./lib/b.sh\n",
    "lib/b.sh": "echo SAW lib/b.sh {v}\n",
    "use.py": "import mod\nprint('SAW use.py {v}')\n",
    "mod.py": "print('SAW mod.py {v}')\n",
    "late.py": "print('SAW late.py {v}')\n",
    "task.py": """\
import time, mod
print('SAW task.py {v}')
def main():
    time.sleep(0.0{v})
    import late
    print(open('q.sql').read(), end='')
""",
    "q.sql": "SAW q.sql {v}\n",
}
FLOW = """\
name: w
include: [q.sql]
tasks:
  a: {executor: process, command: "sh run.sh"}
  b: {executor: python, file: task.py}
  c: {executor: process, command: "sh tool.sh; cat q.sql", depends_on: [a]}
  d: {executor: python, file: task.py, depends_on: [b]}
  e: {executor: process, command: "python use.py", depends_on: [c, d]}
"""


def write(ork: Ork, dice: random.Random, path: str) -> None:
    """Write another version of a file, in one of the ways in which files are written."""
    text = FILES[path].format(v=dice.randint(1, 9))
    match dice.choice(["write", "replace", "away"]):
        case "write":
            ork.write(path, text)
        case "replace":
            ork.write("new", text).rename(ork.folder / path)
        case "away":
            (ork.folder / path).rename(ork.folder / "old")
            ork.write(path, text)
            os.utime(ork.folder / path, (1_000_000_000, 1_000_000_000))


def edit(ork: Ork, dice: random.Random, over: threading.Event) -> None:
    while not over.wait(dice.uniform(0.02, 0.3)):
        write(ork, dice, dice.choice(list(FILES)))


def check(ork: Ork, number: int) -> int:
    """Compare what the attempts of a run saw with what its record has; return how much they saw."""
    run = f"w#{number}"
    tasks = json.loads(ork("show", run, "--json").out)["data"]["tasks"]
    seen = 0
    for name, task in tasks.items():
        for attempt in task["taskrun"]["attempts"]:
            printed = ork("logs", f"{run}:{name}", "--attempt", str(attempt["number"])).out
            for path, version in re.findall(r"^SAW (\S+) (\d)$", printed, re.M):
                seen += 1
                recorded = re.search(r"SAW \S+ (\d)", ork("show", f"{run}:{path}").out)
                assert recorded
                same = recorded[1] == version
                assert same or path in attempt["tainted"], (run, name, path, attempt)
    return seen


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(24))
@pytest.mark.turns(24)
def test_what_attempts_saw_is_what_is_recorded(ork: Ork, seed: int) -> None:
    dice = random.Random(seed)
    ork.write("w.yaml", FLOW)
    for path, text in FILES.items():
        ork.write(path, text.format(v=1))
    for number in range(1, 6):
        what = dice.choice(["w.yaml", "w.yaml", "w", "w~1", "w@{1}"]) if number > 2 else "w.yaml"
        over = threading.Event()
        editor = threading.Thread(target=edit, args=(ork, random.Random(dice.random()), over))
        if dice.random() < 0.7:
            editor.start()
        try:
            result = ork("run", what, "-j", "3")
        finally:
            over.set()
            if editor.ident:
                editor.join()
        if result.code == 3:  # edited while it was read, or there is no such revision
            ork("run", "w.yaml", "-j", "3")
        time.sleep(0.01)
    runs = json.loads(ork("runs", "--json").out)["data"]
    assert sum(check(ork, entry["run"]["number"]) for entry in runs) > 20
