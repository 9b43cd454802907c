"""Hostile workflow files: each is one clear InvalidInput, soon, and never another exception."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from ork.definition.workflow import parse
from ork.errors import InvalidInput, Problem
from ork.yaml import reader
from tests.scale import sampled, size

HEAD = b"name: n\ntasks: {t: {executor: shell, command: x}}\n"
LEVELS = range(1, 30)
CYCLE = size(2000, by_day=1000)


def bomb(item: str, level: str) -> bytes:
    """Return nested aliases: each level holds the one before nine times."""
    text = f"a0: &a0 {item}\n"
    text += "".join(f"a{i}: &a{i} {level % ','.join([f'*a{i - 1}'] * 9)}\n" for i in LEVELS)
    return text.encode()


HOSTILE: dict[str, bytes] = {
    "alias bomb": bomb("[x,x,x,x,x,x,x,x,x]", "[%s]"),
    "merge bomb": bomb("{k: v}", "{<<: [%s]}"),
    "merge chain": b"a0: &a0 {k0: v}\n"
    + "".join(f"a{i}: &a{i} {{<<: *a{i - 1}, k{i}: v}}\n" for i in range(1, 5000)).encode(),
    "alias chain": b"a0: &a0 [1]\n"
    + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 5000)).encode(),
    "self alias": b"&a [*a]",
    "self alias in a mapping": b"&a {tasks: *a}",
    "self merge": b"name: n\ntasks: &a {t: {<<: *a}}",
    "open brackets": b"[" * 200_000,
    "open braces": b"{a: " * 100_000,
    "open brackets in tabs": b"\t" + b"[" * 200_000,
    "open questions": b"? " * 100_000,
    "open dashes": b"- " * 100_000,
    "deep blocks": b"\n".join(b" " * i + b"a:" for i in range(2000)),
    "deep json": b'{"a":' * 100_000,
    "nested tags": b"!a " * 100_000,
    "nested anchors": b"&a " * 100_000,
    "duplicate keys": HEAD + b"name: m\n",
    "many duplicate keys": b"a: 1\n" * size(5_000, by_day=2_000),
    "duplicate beside a merge": HEAD + b"env: {<<: {A: x}, A: y, A: z}\n",
    "python tag": HEAD + b"env: !!python/object/apply:os.system [ls]\n",
    "str tag": HEAD + b"description: !!str 1\n",
    "redefined tag": b"%TAG !! tag:evil,2000:\n---\n" + HEAD,
    "YAML 1.1": b"%YAML 1.1\n---\n" + HEAD,
    "YAML 1.3": b"%YAML 1.3\n---\n" + HEAD,
    "YAML of 5000 digits": b"%YAML " + b"9" * 5000 + b".1\n---\n" + HEAD,
    "two documents": HEAD + b"---\n" + HEAD,
    "a second document that is broken": HEAD + b"---\n[",
    "NUL": HEAD + b"description: a\0b\n",
    "escape sequence": HEAD + b"description: \x1b[31m\n",
    "NUL in a command": b'name: n\ntasks: {t: {executor: shell, command: "a\\0b"}}\n',
    "a key that paints": HEAD + b'"\\e[31m\\n": x\n',
    "lone surrogate": HEAD + b'description: "\\ud800"\n',
    "surrogates the wrong way": HEAD + b'description: "\\ude00\\ud83d"\n',
    "lone surrogate in a key": HEAD + b'env: {"\\ud800": x}\n',
    "encoded surrogate": HEAD + b"description: \xed\xa0\x80\n",
    "escape beyond Unicode": HEAD + b'description: "\\U00110000"\n',
    "invalid UTF-8": HEAD + b"description: \xff\n",
    "UTF-16": HEAD.decode().encode("utf-16"),
    "UTF-16 without mark": HEAD.decode().encode("utf-16-be"),
    "UTF-32": HEAD.decode().encode("utf-32"),
    "an integer of 5000 digits": HEAD + b"max_parallel: " + b"9" * 5000,
    "a hexadecimal of 5000 digits": HEAD + b"max_parallel: 0x" + b"f" * 5000,
    "a float of 5000 digits": HEAD + b"max_parallel: 0." + b"9" * 5000,
    "1e400": HEAD + b"max_parallel: 1e400",
    "NaN": HEAD + b"max_parallel: .nan",
    "a date that is none": HEAD + b"max_parallel: 2001-99-99",
    "sexagesimal": HEAD + b"max_parallel: 99:99:99",
    "100,000 keys": b"".join(b"k%d: 1\n" % i for i in range(size(100_000, by_day=40_000))),
    "tasks that need nobody": b"name: n\ntasks:\n"
    + b"".join(
        b" t%d: {executor: shell, command: x, depends_on: [n%d]}\n" % (i, i)
        for i in range(size(10_000, by_day=6_000))
    ),
    "a scalar of 10 MB": b"name: " + b"x" * size(10_000_000, by_day=2_000_000),
    "a key of 1 MB": b"x" * 1_000_000 + b": 1",
    "a quoted scalar of 10 MB": b'name: "' + b"x y " * size(2_500_000, by_day=500_000) + b'"',
    "a number of 10 MB": b"name: " + b"9" * size(10_000_000, by_day=2_000_000),
    "too large a file": HEAD + b"#" * (16 * 1024 * 1024),
    "signs of block texts": b"> #" * size(1_000_000, by_day=300_000),
    "a long tag": b"a: !" + b"x" * 1_000_000,
    "a long comment with a tab": b"a: | #\t" + b"x" * 2_000_000,
    "long lines": (b"a: !" + b"x" * 200_000 + b"\n") * 10,
    "type bomb": b"name: n\ntypes:\n"
    + b"".join(b"  A%d: {x: types.A%d, y: types.A%d}\n" % (i, i + 1, i + 1) for i in range(60))
    + b"  A60: int\ntasks: {t: {executor: shell, command: x, output_type: types.A0}}\n",
    "type cycle": HEAD + b"types: {A: [types.B], B: {x: types.A}}\n",
    "env for everyone": b"name: n\nenv: {A: '"
    + b"x" * 1_000_000
    + b"'}\ntasks:\n"
    + b"".join(b"  t%d: {executor: shell, command: x}\n" % i for i in range(1000)),
    "traversal": b"name: n\ntasks: {t: {executor: python, file: ../../etc/passwd}}\n",
    "absolute path": b"name: n\ntasks: {t: {executor: python, file: /etc/passwd}}\n",
    "a long name": b"name: " + b"a" * 100_000 + b"\ntasks: {t: {executor: shell, command: x}}\n",
    "a long cycle": b"name: n\ntasks:\n"
    + b"".join(
        b" t%d: {executor: shell, command: x, depends_on: [t%d]}\n" % (i, (i + 1) % CYCLE)
        for i in range(CYCLE)
    ),
    "a regex trap in the schedule": HEAD + b"schedule: '" + b"1-" * 100_000 + b"'\n",
    "empty": b"",
    "only a comment": b"# nothing",
    "only a byte order mark": b"\xef\xbb\xbf",
}


@cache
def problems_of(name: str) -> tuple[Problem, ...]:
    """Return what is wrong with a hostile file; it is read once for all tests."""
    with pytest.raises(InvalidInput) as caught:
        parse(HOSTILE[name], file="evil.yaml")
    return tuple(caught.value.problems)


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_one_clear_error(name: str) -> None:
    assert problems_of(name)
    for problem in problems_of(name):
        assert problem.message.isprintable()
        assert len(problem.message) < 600
        assert len(problem.hint or "") < 600
        assert problem.file == "evil.yaml"


SMALL = [name for name in HOSTILE if len(HOSTILE[name]) < 300_000]


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.turns(2)
def test_without_the_c_parser_it_is_the_same_error(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_c = problems_of(name)
    monkeypatch.setattr(reader, "_c_parser", lambda: None)
    with pytest.raises(InvalidInput) as without:
        parse(HOSTILE[name], file="evil.yaml")
    assert tuple(without.value.problems) == with_c


MEASURE = """
import json, resource, sys, time
from ork.definition.workflow import parse
from ork.errors import InvalidInput, Problem
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
for name in json.load(sys.stdin):
    data = open(name, "rb").read()
    try:
        parse(data, file="evil.yaml")
    except InvalidInput:
        print(name)
"""


@pytest.mark.slow
@pytest.mark.turns(4)
@pytest.mark.parametrize("sample", ["k%d: 1\n", '"k%d":1,\n'])
def test_many_megabytes_of_keys_take_little_memory(sample: str) -> None:
    code = f"""
from ork.definition.workflow import parse
from ork.errors import InvalidInput
keys = "".join({sample!r} % number for number in range(1_000_000))
text = "{{" + keys + '"x": 1}}' if keys[0] == '"' else keys
del keys
try:
    parse(text.encode(), file="evil.yaml")
except InvalidInput as error:
    print(error.problems[0].message)
# Not ru_maxrss, which keeps the peak of whoever started us.
peak = open("/proc/self/status").read().partition("VmHWM:")[2].split()[0]
print(int(peak) // 1024 < 256)
"""
    done = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=True)
    assert done.stdout.splitlines() == ["a mapping with more than 200,000 keys", "True"]


@pytest.mark.slow
@pytest.mark.turns(3)
def test_all_of_them_together_take_a_bounded_time_and_memory(tmp_path: Path) -> None:
    files = []
    for number, data in enumerate(sampled([*HOSTILE.values()], one_in=6)):
        file = tmp_path / f"{number}.yaml"
        file.write_bytes(data)
        files.append(str(file))
    done = subprocess.run(
        [sys.executable, "-c", MEASURE],
        input=json.dumps(files),
        text=True,
        capture_output=True,
        timeout=240,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == files
