"""The log has all that a task prints: masked, bounded, before the outcome is told."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ork.executors import logfile
from ork.executors.logfile import Answer, Log
from ork.mask import Masker
from tests.executors.suite import Place, Served, eventually, run
from tests.scale import examples, size

SECRET = "s3cret-t0ken-of-some-length"
MARK = re.compile(rb"\[ork: (\d+) bytes of this log were dropped here\]\n")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Logs that keep a head of 1000 bytes and a tail of 500."""
    monkeypatch.setattr(logfile, "HEAD_BYTES_MAX", 1000)
    monkeypatch.setattr(logfile, "TAIL_BYTES_MAX", 500)


def logged(path: Path, *pieces: bytes, masker: Masker | None = None) -> bytes:
    """Return the log of what was printed in these pieces."""
    path.unlink(missing_ok=True)
    log = Log(str(path), masker)
    for piece in pieces:
        log.write(piece)
    log.close()
    return path.read_bytes() if path.exists() else b""


def test_what_fits_is_kept_byte_for_byte(tmp_path: Path, small: None) -> None:
    data = bytes(range(256)) * 5 + b"\xff half a line"
    assert len(data) > 1000
    assert logged(tmp_path / "log", data[:700], data[700:]) == data


def test_head_and_tail_are_whole_lines_and_what_is_dropped_is_told(
    tmp_path: Path, small: None
) -> None:
    lines = [b"line %05d\n" % number for number in range(5000)]
    kept = logged(tmp_path / "log", *lines)
    head, told, tail = MARK.split(kept)
    assert head == b"".join(lines[: len(head) // 11])
    assert tail == b"".join(lines[-(len(tail) // 11) :])
    assert (len(head), len(tail)) == (990, 506)
    assert int(told) == 11 * 5000 - 990 - 506


def test_a_log_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "logs" / "run").symlink_to("../outside")
    log = Log(str(tmp_path / "logs" / "run" / "1.log"), top=str(tmp_path))
    log.write(b"printed\n")
    log.close()
    assert (log.written, log.error) == (0, "it is a link, which is not followed")
    assert list((tmp_path / "outside").iterdir()) == []


@settings(deadline=None, max_examples=examples(60))
@given(st.data())
def test_head_tail_and_the_number_between_make_up_all(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    line = st.integers(0, 700).map(lambda size: b"x" * size + b"\n")
    pieces = data.draw(st.lists(st.one_of(line, st.binary(max_size=200)), max_size=40))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logfile, "HEAD_BYTES_MAX", 1000)
        patch.setattr(logfile, "TAIL_BYTES_MAX", 500)
        kept = logged(tmp_path_factory.mktemp("logs") / "log", *pieces)
    whole = b"".join(pieces)
    parts = MARK.split(kept)
    if len(whole) <= 1500:
        assert kept == whole
    if len(parts) == 1:
        assert kept == whole
    else:
        head, told, tail = parts
        if not whole.startswith(head):  # it ends within a line
            head = head.removesuffix(b"\n")
        assert whole.startswith(head)
        assert whole.endswith(tail)
        assert len(head) + int(told) + len(tail) == len(whole)
        assert len(head) + len(tail) <= 1500


def test_one_endless_line_keeps_its_head_and_its_tail(tmp_path: Path, small: None) -> None:
    kept = logged(tmp_path / "log", b"a" * 3000, b"b" * 3000, b"\n")
    head, told, tail = MARK.split(kept)
    assert (head, tail) == (b"a" * 1000 + b"\n", b"b" * 499 + b"\n")
    assert int(told) == 6001 - 1500


def test_a_full_disk_is_no_failure() -> None:
    log = Log("/dev/full")
    log.write(b"lost\n")
    log.write(b"lost, too\n")
    log.close()


def answers_of(line: bytes) -> list[bytes]:
    """Return what a line answers, by the rule as a person would apply it."""
    before, mark, rest = line.partition(b"ORK_OUTPUT:")
    for text in (rest, rest.split(b"ORK_OUTPUT:")[-1]):
        if mark and text in (b"{}", b"1"):
            return [text]
    return [rest] if mark and not before else []


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([b"ORK_OUTPUT:", b"ORK_", b"OUTPUT:1", b"\n", b"x", b"{}"])),
    st.lists(st.integers(0, 200), max_size=8),
)
def test_the_answer_is_the_last_marked_line_however_it_is_cut(
    parts: list[bytes], places: list[int]
) -> None:
    text = b"".join(parts)
    marked = [found for line in text.split(b"\n") for found in answers_of(line)]
    ends = sorted({place % (len(text) + 1) for place in places})
    answer = Answer()
    for start, end in zip([0, *ends], [*ends, len(text)], strict=True):
        answer.feed(text[start:end])
    assert answer.text == (marked[-1].strip() if marked else None)


# Real tasks.


@pytest.mark.parametrize("kind", ["python", "process"])
def test_the_log_grows_while_the_task_runs(executor: Served, place: Place, kind: str) -> None:
    gate = place.folder / "gate"
    if kind == "python":
        job = place.python(
            f"""
            import os, time
            def main():
                print("begun")
                while not os.path.exists({str(gate)!r}):
                    time.sleep(0.01)
                print("ended")
            """
        )
    else:
        job = place.shell(f"echo begun; while ! test -e {gate}; do sleep 0.01; done; echo ended")
    future = executor.submit(job)
    log = Path(job.log)
    assert eventually(lambda: log.exists() and log.read_bytes() == b"begun\n")
    assert not future.done()
    gate.touch()
    assert future.result(timeout=60).state == "success"
    assert log.read_bytes() == b"begun\nended\n"


def test_a_secret_in_several_writes_is_masked_and_the_rest_is_not_held_back(
    executor: Served, place: Place
) -> None:
    job = place.shell(
        f"printf 'a {SECRET[:9]}'; sleep 0.05; printf '{SECRET[9:]} b'; printf '{SECRET[:5]}'",
        secrets=(SECRET,),
    )
    assert run(executor, job).state == "success"
    assert Path(job.log).read_bytes() == f"a *** b{SECRET[:5]}".encode()


def test_each_task_of_a_warm_worker_has_its_own_lines_and_all_of_them(place: Place) -> None:
    executor = Served(1)
    try:
        source = "def main(n):\n    for i in range(200):\n        print(n, i)\n"
        place.write("t.py", source)
        for number in range(20):
            job = place.job(file="t.py", inputs={"n": number})
            assert run(executor, job).state == "success"
            lines = Path(job.log).read_text().splitlines()
            assert lines == [f"{number} {i}" for i in range(200)]
    finally:
        executor.close()


def test_what_children_print_is_in_the_log(executor: Served, place: Place) -> None:
    job = place.python(
        f"""
        import os, subprocess
        def main():
            print("first", flush=True)
            subprocess.run("echo {SECRET}; echo second >&2", shell=True)
            os.write(2, b"third")
        """,
        secrets=(SECRET,),
    )
    assert run(executor, job).state == "success"
    assert Path(job.log).read_bytes() == b"first\n***\nsecond\nthird"


@pytest.mark.parametrize("kind", ["python", "process"])
def test_a_task_that_closes_its_streams_ends_well(
    executor: Served, place: Place, kind: str
) -> None:
    if kind == "python":
        job = place.python(
            "import os\ndef main():\n    os.close(1)\n    os.close(2)\n    return 1\n"
        )
    else:
        job = place.shell("exec >&- 2>&-; sleep 0.1; exit 0")
    outcome = run(executor, job)
    assert (outcome.state, outcome.printed) == ("success", 0)


def test_a_killed_task_leaves_what_it_printed(executor: Served, place: Place) -> None:
    job = place.python(
        """
        import os
        def main():
            os.write(1, b"x" * 30000 + b"last")
            os.kill(os.getpid(), 9)
        """
    )
    assert run(executor, job).signal == 9
    assert Path(job.log).read_bytes().endswith(b"xlast")


def test_an_answer_that_the_log_drops_is_the_output(
    executor: Served, place: Place, small: None
) -> None:
    code = "print('ORK_OUTPUT:[' + '1,' * 5000 + '2]'); print('noise\\n' * 5000)"
    job = place.shell((sys.executable, "-c", code))
    assert run(executor, job).output == [1] * 5000 + [2]
    assert len(Path(job.log).read_bytes()) < 2000


def test_an_output_is_parsed_then_masked(executor: Served, place: Place) -> None:
    tricky = 'to"ken\\with}all'
    job = place.shell(
        'printf "ORK_OUTPUT:{\\"a\\": %s, \\"b\\": 1}" "$JSON"',
        environment={"PATH": "/usr/bin:/bin", "JSON": '"to\\"ken\\\\with}all"'},
        secrets=(tricky,),
    )
    assert run(executor, job).output == {"a": "***", "b": 1}
    assert tricky.encode() not in Path(job.log).read_bytes()


def test_an_error_is_masked_before_it_is_cut(executor: Served, place: Place) -> None:
    job = place.python(
        f"def main():\n    raise ValueError('x' * 5 + '\\n' + '{SECRET} ' * 3000)\n",
        secrets=(SECRET,),
    )
    error = run(executor, job).error or ""
    assert len(error) < 21_000
    assert not any(SECRET[at : at + 6] in error for at in range(len(SECRET) - 6))


def test_an_answer_that_is_no_json_is_shown_masked(executor: Served, place: Place) -> None:
    job = place.shell(f"echo 'ORK_OUTPUT:{'-' * 190}{SECRET}'", secrets=(SECRET,))
    error = run(executor, job).error or ""
    assert "not JSON" in error
    assert SECRET[:6] not in error


def test_a_job_shows_no_secret(place: Place) -> None:
    job = place.shell("true", environment={"TOKEN": SECRET}, secrets=(SECRET,))
    assert SECRET not in repr(job)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["python", "process"])
@pytest.mark.turns(2)
def test_a_task_that_prints_a_lot_costs_bounded_memory(place: Place, kind: str) -> None:
    megabytes = size(200, by_day=80)  # a log has no more than 64
    if kind == "python":
        job = place.python(
            """
            import sys
            def main():
                for _ in range(MEGABYTES):
                    sys.stdout.write(("y" * 99 + "\\n") * 10_000)
            """.replace("MEGABYTES", str(megabytes))
        )
    else:
        job = place.shell(f"yes 'a line that is written over and over' | head -c {megabytes}000000")
    code = f"""
import re
from ork.executors.base import Job
from tests.executors.suite import Served
executor = Served(1)
job = Job(executor={job.executor!r}, file={job.file!r}, command={job.command!r},
          files={job.files!r}, environment={dict(job.environment)!r}, root={job.root!r},
          python={job.python!r}, timeout_s=300.0, log={job.log!r},
          secrets=({SECRET!r},))
assert executor.submit(job).result().state == "success"
executor.close()
print(re.search("VmHWM:\\\\s*([0-9]+)", open("/proc/self/status").read())[1])  # KiB
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 100 * 1024
    kept = Path(job.log).read_bytes()
    (told,) = MARK.findall(kept)
    assert len(MARK.sub(b"", kept)) + int(told) == megabytes * 1_000_000
    assert len(kept) < logfile.LOG_BYTES_MAX + 100


def test_what_is_printed_just_before_the_end_is_in_the_log(place: Place) -> None:
    executor = Served(4)
    try:
        jobs = [place.shell("head -c 60000 /dev/zero; exec printf last") for _ in range(60)]
        futures = [executor.submit(job) for job in jobs]
        assert all(future.result(timeout=60).state == "success" for future in futures)
        ends = {Path(job.log).read_bytes()[60_000:] for job in jobs}
        assert ends == {b"last"}
    finally:
        executor.close()
