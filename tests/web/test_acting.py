"""What pages change: each as the command would, recorded with who asked, and only when allowed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import islice

import pytest

from ork.daemon import pauses, queue
from ork.heads.deploy import deploy
from ork.heads.tags import tags
from ork.objects.kinds import Deploy, Operation
from ork.objects.value import replace
from ork.store.resolve import head, history, run_of_number
from ork.store.store import Store
from tests.runs import begin_run, outcome, write_run
from tests.stores import NOON, stamp
from tests.web.server import TOKEN, Answer, Served, make_project, serving

LATER = NOON + timedelta(days=1)  # so that no other run has such an id


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The store of a project. Each test leaves nothing paused, tagged or waiting."""
    made = make_project(tmp_path_factory.mktemp("changed"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def served(store: Store) -> Iterator[Served]:
    """A process that may change the store, and is told by a proxy who asks."""
    with serving(store.project, allow_changes=True, proxy_user_header="X-User") as found:
        yield found


def newest(store: Store) -> Operation:
    oid = store.ref("ops")
    assert oid is not None
    return store.get(Operation, oid)


def notice(served: Served, answer: Answer) -> str:
    """Return what the page says to which a form led back."""
    cookies = [f"{name}={value.split(';')[0]}" for name, value in answer.cookies.items()]
    return served.get("/", Cookie="; ".join([served.cookie, *cookies])).text


def eventually(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
def test_a_rollback_is_recorded_with_its_person(served: Served, store: Store):
    before = list(history(store, "etl"))
    fields = {"revision": "etl~1", "message": "too\r\neager", "back": "/workflows/etl?x=1"}
    answer = served.post(
        "/workflows/etl/rollback", fields, X_User="Gr\u00e9te".encode().decode("latin-1")
    )
    assert (answer.status, answer.headers["location"]) == (303, "/workflows/etl?x=1")
    after = list(history(store, "etl"))
    assert len(after) == len(before) + 1
    assert after[0][1].snapshot == before[1][1].snapshot
    assert after[0][1].message == "too\neager"
    done = newest(store)
    assert (done.author, done.argv) == ("Gr\u00e9te", ("ork", "up:", "rollback", "etl", "etl~1"))
    assert "too" in notice(served, answer)


def test_a_tag_is_given_moved_and_removed(served: Served, store: Store):
    def labels() -> list[tuple[str, str]]:
        return [(one.label, one.oid) for one in tags(store, "etl")]

    second, first = (oid for oid, _ in islice(history(store, "etl"), 2))
    assert served.post("/workflows/etl/tag", {"label": "prod"}, X_User="ada").status == 303
    assert labels() == [("prod", second)]
    fields = {"label": "prod", "revision": "etl~1"}
    refused = served.post("/workflows/etl/tag", fields, X_User="ada")
    assert (refused.status, labels()) == (400, [("prod", second)])
    served.post("/workflows/etl/tag", {**fields, "force": "1"}, X_User="ada")
    assert labels() == [("prod", first)]
    served.post("/workflows/etl/untag", {"label": "prod"}, X_User="ada")
    assert labels() == []
    assert newest(store).argv == ("ork", "up:", "tag", "-d", "etl@prod")


def test_an_operation_is_undone(served: Served, store: Store):
    before = head(store, "etl")
    served.post("/workflows/etl/rollback", {"revision": "etl~1"}, X_User="ada")
    answer = served.post(f"/ops/{store.ref('ops')}/undo", X_User="ada")
    assert answer.status == 303
    assert head(store, "etl") == before
    assert newest(store).argv[:3] == ("ork", "up:", "undo")


def test_a_schedule_is_paused_and_resumed(served: Served, store: Store):
    assert served.post("/workflows/etl/pause", X_User="ada").status == 303
    found = pauses.paused(store, "etl")
    assert found is not None and found.author == "ada"
    assert served.post("/workflows/etl/pause", X_User="bob").status == 303
    assert pauses.paused(store, "etl") == found
    for told in ("etl is scheduled again<", "etl is not paused<"):
        answer = served.post("/workflows/etl/resume", X_User="ada")
        assert answer.status == 303
        assert told in notice(served, answer)
        assert pauses.paused(store, "etl") is None


def test_a_run_waits_with_its_parameters_and_is_taken_back(served: Served, store: Store):
    answer = served.post("/workflows/etl/run", {"input.day": "friday"}, X_User="ada")
    assert answer.status == 303
    (waiting,) = queue.waiting(store)
    assert (waiting.entry.deploy, waiting.entry.author) == (head(store, "etl"), "ada")
    assert waiting.entry.params == {"day": "friday"}
    wrong = served.post("/workflows/etl/run", {"input.no": "1"}, X_User="ada")
    assert (wrong.status, len(queue.waiting(store))) == (400, 1)
    gone = f"/queue/etl/{waiting.id}/remove"
    assert served.post(gone, X_User="ada").status == 303
    assert queue.waiting(store) == []
    assert served.post(gone, X_User="ada").status == 404


def test_a_parameter_reads_no_file(served: Served, store: Store):
    served.post("/workflows/etl/run", {"input.day": "@/etc/hostname"}, X_User="ada")
    (waiting,) = queue.waiting(store)
    assert waiting.entry.params == {"day": "@/etc/hostname"}
    queue.remove(store, waiting)


@pytest.mark.parametrize("path", ["etl.yaml", "..%2Fetl.yaml", "file:etl.yaml", "%2Fetc%2Fpasswd"])
def test_no_file_is_run_or_deployed(served: Served, store: Store, path: str):
    (store.project / "etl.yaml").write_text(
        "name: etl\ntasks: {x: {executor: process, command: a}}"
    )
    before = store.ref("ops")
    for end in ("run", "rollback", "tag", "pause"):
        fields = {"revision": "etl.yaml", "label": "x"}
        assert served.post(f"/workflows/{path}/{end}", fields, X_User="ada").status in (400, 404)
    for revision in ("etl.yaml", "file:etl.yaml", "./etl.yaml"):
        fields = {"revision": revision}
        assert served.post("/workflows/etl/rollback", fields, X_User="ada").status in (400, 404)
    assert (store.ref("ops"), queue.waiting(store)) == (before, [])


def test_a_run_that_failed_is_retried_and_one_that_did_not_is_not(served: Served, store: Store):
    assert served.post("/runs/etl/1/retry", X_User="ada").status == 400
    assert served.post("/runs/etl/2/retry", X_User="ada lovelace").status == 303
    eventually(lambda: run_of_number(store, "etl", 2)[1].state == "success")
    run = run_of_number(store, "etl", 2)[1]
    assert (run.attempt, run.author) == (2, "ada lovelace")
    assert served.post("/runs/etl/2/cancel", X_User="ada").status == 400  # it has ended


def test_a_retry_for_which_there_is_no_room_is_refused(served: Served, store: Store):
    file = store.project / "one.yaml"
    file.write_text(
        "name: one\nmax_active_runs: 1\ntasks: {x: {executor: process, command: 'true'}}\n"
    )
    one = deploy(store, file, stamp=stamp()).deploy
    (task,) = store.snapshot(store.get(Deploy, one).snapshot).tasks.values()
    failed = write_run(store, one, {"x": outcome(task, "failed")}, "failed", created=LATER)
    going = begin_run(store, one, created=LATER)
    refused = served.post("/runs/one/1/retry", X_User="ada")
    assert refused.status == 409 and "one#2 goes on" in refused.text
    going.end(replace(going.run, state="failed", ended=NOON, duration=1), {}, {})
    assert run_of_number(store, "one", 1)[1] == failed
    assert served.post("/runs/one/1/retry", X_User="ada").status == 303
    eventually(lambda: run_of_number(store, "one", 1)[1].state == "success")


def test_where_a_proxy_names_people_nobody_else_changes_anything(served: Served, store: Store):
    before = store.ref("ops")
    assert served.post("/workflows/etl/pause").status == 403
    assert served.post("/workflows/etl/pause", X_User="  ").status == 403
    assert store.ref("ops") == before


@pytest.mark.slow
def test_without_a_proxy_no_header_names_anybody(store: Store):
    with serving(store.project, allow_changes=True, schedule=False) as served:
        assert served.post("/workflows/etl/pause", X_User="root", Remote_User="root").status == 303
        assert newest(store).author == "page of Ada <a@b>"
        served.post("/workflows/etl/resume")
        # Here no runs are started either, and whoever asks for one is told so.
        assert "starts no runs" in notice(served, served.post("/workflows/etl/run"))
        queue.remove(store, queue.waiting(store)[0])


def test_a_program_sends_json_and_the_token(
    served: Served, store: Store, golden: Callable[[str, str], None]
):
    def send(path: str, body: str, **headers: str) -> Answer:
        known = {"Authorization": f"Bearer {TOKEN}", "Content_Type": "application/json"}
        return served.ask(path, "POST", body, **{**known, "X_User": "cron", **headers})

    golden("web/done.json", send("/workflows/etl/tag", '{"label": "p"}').text)
    answer = send("/workflows/etl/run", '{"input.day": "friday"}')
    (waiting,) = queue.waiting(store)
    said = {"message": "etl will run in a moment", "id": waiting.id}
    assert (answer.status, answer.json) == (200, {"schema": "ork.done.v1", "data": said})
    assert (waiting.entry.params, waiting.entry.author) == ({"day": "friday"}, "cron")
    queue.remove(store, waiting)
    for path, body, words in (
        ("run", '{"day": "x"}', "there is no field day here"),
        ("run", '{"inputs.day": "x"}', "there is no field inputs.day here"),
        ("tag", '{"label": "q", "to": "etl~1"}', "there is no field to here"),
        ("pause", '{"until": "friday"}', "there is no field until here"),
    ):
        refused = send(f"/workflows/etl/{path}", body)
        assert (refused.status, words in refused.text) == (400, True)
    other = '{"label": "p", "revision": "etl~1", "force": false}'
    assert send("/workflows/etl/tag", other).status == 400
    assert send("/workflows/etl/untag", '{"label": "p"}').status == 200

    before = store.ref("ops")
    for headers in (
        {"Authorization": ""},
        {"Authorization": "Bearer no"},
        {"Authorization": "", "Cookie": served.cookie},
        {"Content_Type": "text/plain"},
        {"Content_Type": "application/x-www-form-urlencoded"},
        {"Origin": "https://evil.example"},
        {"Sec_Fetch_Site": "cross-site"},
        {"X_User": ""},
    ):
        assert send("/workflows/etl/pause", "{}", **headers).status in (400, 401, 403), headers
    for body in ("[]", "no", "[" * 50_000, '"x"'):
        refused = send("/workflows/etl/pause", body)
        assert (refused.status, refused.json["schema"]) == (400, "ork.error.v1")  # type: ignore[index]
    # A browser asks before it sends JSON to another site, and nothing says that it may.
    asked = served.ask("/workflows/etl/pause", "OPTIONS", Origin="https://evil.example")
    assert asked.status in (401, 405)
    assert not any(name.startswith("access-control") for name in asked.headers)
    assert store.ref("ops") == before


@pytest.mark.slow
def test_pages_that_only_show_change_nothing(store: Store):
    before = store.ref("ops")
    with serving(store.project) as served:
        answer = served.post("/workflows/etl/pause")
        assert (answer.status, "--allow-changes" in answer.text) == (403, True)
    assert store.ref("ops") == before


def test_a_form_leads_back_to_our_own_pages_only(served: Served):
    for back in ("//evil.example", "https://evil.example/", "/\\evil.example", "\\\\evil.example"):
        answer = served.post(
            "/workflows/etl/tag", {"label": "x", "force": "1", "back": back}, X_User="a"
        )
        there = answer.headers["location"]
        assert there.startswith("/") and not there.startswith(("//", "/\\")), back
    served.post("/workflows/etl/untag", {"label": "x"}, X_User="ada")


@pytest.mark.slow
def test_what_a_page_is_to_say_cannot_be_made_up(served: Served):
    answer = served.post("/workflows/etl/tag", {"label": "x"}, X_User="ada")
    (name, value) = next((n, v) for n, v in answer.cookies.items() if n.endswith("-notice"))
    words, _, proof = value.split(";")[0].partition(".")
    forged = f"{served.cookie}; {name}={words[:-4]}AAAA.{proof}"
    assert 'class="notice"' not in served.get("/", Cookie=forged).text
    assert 'class="notice"' in notice(served, answer)
    served.post("/workflows/etl/untag", {"label": "x"}, X_User="ada")


@pytest.mark.slow
def test_what_is_gone_for_good_is_told_in_a_line_and_not_undone(served: Served, store: Store):
    for words in ("run -q etl", "gc --keep-runs 0 --prune --undo-days 0"):
        command = [sys.executable, "-P", "-m", "ork", *words.split()]
        subprocess.run(command, cwd=store.project, check=True, env=dict(os.environ))
    text = served.get("/ops").text
    row, others = text.partition("<tbody>")[2].split("</tr>", 1)
    assert "<code>etl</code> runs #" in row and row.count("gone for good") == 1
    assert ("/undo" in row, "/undo" in others) == (False, True)


def test_a_parameter_that_is_missing_is_told_by_its_field(served: Served, store: Store):
    file = store.project / "asked.yaml"
    file.write_text(
        "name: asked\nparams: {at: {type: str}}\n"
        "tasks: {x: {executor: process, command: 'true', inputs: {at: {ref: params.at}}}}\n"
    )
    deploy(store, file, stamp=stamp())
    refused = served.post("/workflows/asked/run", X_User="ada")
    assert (refused.status, "give it with `input.at=VALUE`" in refused.text) == (400, True)
