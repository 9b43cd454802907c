"""The pages in a real browser: what they show, live, by keyboard, on a phone, without script."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from axe_playwright_python.sync_playwright import Axe

import ork
from ork.objects.kinds import Run
from ork.store import location
from tests.cli.hostile_store import fill
from tests.cli.naughty import NAUGHTY, harmless
from tests.scale import sampled
from tests.web.server import serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

FLOW = """\
name: etl
description: Fetch, clean, load
schedule: "0 2 * * *"
params:
  day: {type: date, default: 2026-01-01}
  rows: {type: int, default: 3}
  deep: {default: {a: [1]}}
tasks:
  extract: {executor: python, file: tasks/etl.py, function: extract}
  weather: {executor: process, command: echo sunny}
  load:
    executor: process
    command: tasks/load.sh
    depends_on: [extract, weather]
    retries: 1
"""
SLOW = """\
name: slow
tasks:
  wait: {executor: process, command: "echo begun; until [ -e go ]; do sleep 0.05; done; echo over"}
  after: {executor: process, command: echo done, depends_on: [wait]}
"""
LONG = "orders-nightly-extract-and-load-into-the-warehouse-of-all-regions"
WIDE = f"""\
name: {LONG}
params:
  day: {{type: date, default: 2026-01-01}}
  region: {{type: str, default: asia-pacific-southeast}}
tasks:
  load: {{executor: process, command: "echo no such table: orders_of_all_regions >&2; exit 1"}}
"""
PAGES = {
    "workflows": "/",
    "workflow": "/workflows/etl",
    "deploys": "/workflows/etl/log",
    "start": "/workflows/etl/run",
    "rollback": "/workflows/etl/rollback?to=etl~1",
    "deploy": "/deploys/etl",
    "first-deploy": "/deploys/etl~1",
    "runs": "/runs",
    "runs-failed": "/runs/etl?state=failed",
    "run": "/runs/etl/1",
    "run-failed": "/runs/etl/2",
    "log": "/runs/etl/2/log/load",
    "code": "/code/etl%232/tasks/etl.py",
    "text": "/code/etl/",
    "task": "/tasks/etl/load",
    "compare": "/compare",
    "compare-deploys": "/compare?old=etl~1&new=etl",
    "compare-runs": "/compare?old=etl%231&new=etl%232",
    "search": "/search?q=load",
    "ops": "/ops",
    "schedules": "/schedules",
    "missing": "/runs/etl/99",
    "wide-workflow": f"/workflows/{LONG}",
    "wide-deploy": f"/deploys/{LONG}",
    "wide-run": f"/runs/{LONG}/2",
    "wide-compare": f"/compare?old={LONG}%231&new={LONG}%232",
}


AXE = Axe()
SERIOUS = ("serious", "critical")
FOCUS = """(() => {
  const one = document.activeElement;
  if (one === document.body) return [null, true];
  const seen = getComputedStyle(one).outlineStyle !== 'none' || one.closest('svg') !== null;
  return [one.getAttribute('href') || one.textContent.trim(), seen];
})()"""
# Lists of which one has to scroll to a part: what leads the first column, and how far.
LISTS = ["run", "task", "snapshot", "workflow", "operation"]
CUT_TABLES = f"""
  [...document.querySelectorAll('table')]
    .map(one => [one.querySelector('th').textContent, one.parentNode])
    .map(([word, place]) => [word, place.scrollWidth - place.clientWidth])
    .filter(([word, far]) => far > 0 && {LISTS}.includes(word))
"""


class Site:
    """A project with its page, and a browser that looks at it and has opened the printed link."""

    def __init__(self, folder: Path, url: str, browser: Browser) -> None:
        self.folder, self.url, self.browser = folder, url, browser
        context = browser.new_context()
        context.new_page().goto(url)
        self._cookies: Any = context.cookies()
        context.close()

    @contextmanager
    def page(self, path: str = "/", *, expected: str = "404|data:", **how: Any) -> Iterator[Page]:
        """Open a page; nothing may leave the machine, go wrong, unless expected, or ask back."""
        context = self.browser.new_context(**{"color_scheme": "light", **how})
        page = context.new_page()
        wrong: list[str] = []
        page.on("console", lambda said: wrong.append(said.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: wrong.append(dialog.message))
        base = self.url.partition("/?")[0]
        page.on("request", lambda asked: asked.url.startswith(base) or wrong.append(asked.url))
        context.add_cookies(self._cookies)
        page.goto(f"{base}{path}")
        yield page
        context.close()
        assert [one for one in wrong if not re.search(expected, one)] == []


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with two deploys, a good run and one that failed."""
    folder = tmp_path_factory.mktemp("seen")
    (folder / "tasks").mkdir()
    (folder / "etl.yaml").write_text(FLOW)
    (folder / "slow.yaml").write_text(SLOW)
    (folder / "tasks/etl.py").write_text(
        "def extract():\n    print('reading')\n    return {'n': 3}\n"
    )
    script = folder / "tasks/load.sh"
    script.write_text("#!/bin/sh\necho loaded\n")
    script.chmod(0o755)
    store = ork.open(folder, create=True)
    try:
        store.deploy(folder / "etl.yaml", message="First\n\nWith a body", author="Ada <a@b>")
        store.deploy(folder / "slow.yaml", author="Ada <a@b>")
        store.tag("etl@v1", author="Ada <a@b>")
        assert _run(store, "etl").state == "success"
        script.write_text("#!/bin/sh\necho no rows >&2\nexit 3\n")
        store.deploy(folder / "etl.yaml", message="Break it", author="Grace <g@b>")
        assert _run(store, "etl").state == "failed"
        (folder / "wide.yaml").write_text(WIDE)
        store.deploy(folder / "wide.yaml", author="Ada <a@b>")
        store.tag(f"{LONG}@before-the-migration", author="Ada <a@b>")
        assert [_run(store, LONG).state for _ in range(2)] == ["failed"] * 2
    finally:
        store.close()
    return folder


def _run(store: ork.Project, what: str) -> Run:
    found: Any = [*store.events(what, author="Ada <a@b>")][-1]
    return found.run


@pytest.fixture(scope="module")
def site(folder: Path, browser: Browser) -> Iterator[Site]:
    """The project, and a page that may change it."""
    with serving(folder, allow_changes=True) as served:
        yield Site(folder, served.url, browser)


@pytest.mark.slow
def test_pages_are_fit_for_everybody(site: Site) -> None:
    wrong: list[object] = []
    with site.page() as page:
        base = page.url.rstrip("/")
        for name, path in sampled([*PAGES.items()]):
            page.set_viewport_size({"width": 1200, "height": 800})
            page.goto(base + path)
            assert page.title()
            # What is wrong with the order and the names of things is so in any colours.
            for scheme, only in (("light", {}), ("dark", {"runOnly": ["color-contrast"]})):
                page.emulate_media(color_scheme=scheme)
                found = AXE.run(page, options={"resultTypes": ["violations"], **only}).response
                wrong += [
                    (name, scheme, one["id"], [node["html"][:200] for node in one["nodes"][:3]])
                    for one in found["violations"]
                    if one["impact"] in SERIOUS
                ]
                _keep(page, f"{name}-{scheme}")
            page.emulate_media(color_scheme="light")
            for wide, where in ((1000, "window"), (320, "phone")):
                page.set_viewport_size({"width": wide, "height": 640})
                width = page.evaluate("document.documentElement.scrollWidth")
                wrong += [(name, width)] if width > wide else []
                wrong += [(name, wide, *cut) for cut in page.evaluate(CUT_TABLES)]
                _keep(page, f"{name}-{where}")
    assert wrong == []


def _keep(page: Page, name: str) -> None:
    """Keep a picture of a page, for a look, where ORK_SCREENSHOTS names a folder."""
    if kept := os.environ.get("ORK_SCREENSHOTS"):
        page.screenshot(path=Path(kept) / f"{name}.png", full_page=True)


@contextmanager
def _going_on(folder: Path) -> Iterator[int]:
    """Run what waits for the file `go`, in a process of its own; yield the number of the run."""
    (folder / "go").unlink(missing_ok=True)
    words = [sys.executable, "-m", "ork", "run", "slow", "--json"]
    with Popen(words, cwd=folder, stdout=PIPE) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["run"]["number"]
        finally:
            (folder / "go").touch()
            process.communicate(timeout=30)


@pytest.mark.slow
def test_a_page_follows_a_run_while_it_goes_on(site: Site) -> None:
    with site.page("/workflows/slow") as page:
        page.evaluate("window.same = true")
        with _going_on(site.folder):
            mark = page.locator(".strip .running")
            mark.wait_for()
            mark.click()
            page.wait_for_url("**/runs/slow/*")
            page.evaluate("window.same = true")
            page.locator("h1 .running").wait_for()
            page.locator("summary, a").first.focus()
            (site.folder / "go").touch()
            page.locator("h1 .success").wait_for()
            page.get_by_text("2 succeeded").wait_for()
            assert page.evaluate("window.same"), "it was loaded anew"


@pytest.mark.slow
def test_nothing_is_missed_before_the_stream_is_open(site: Site) -> None:
    def meanwhile(route: Route) -> None:
        store = ork.open(site.folder)
        store.tag("etl@between", author="Ada <a@b>")
        store.close()
        route.continue_()

    with site.page("/workflows/etl") as page:
        where = page.url
        page.goto("about:blank")
        page.wait_for_timeout(1500)  # nobody listens, so the server looks no more
        page.route("**/events", meanwhile, times=1)
        page.goto(where)
        page.get_by_text("@between").first.wait_for()


@pytest.mark.slow
def test_a_log_grows_while_it_is_written(site: Site) -> None:
    with _going_on(site.folder) as number, site.page(f"/runs/slow/{number}/log/wait") as page:
        page.locator("#log", has_text="begun").wait_for()
        (site.folder / "go").touch()
        page.locator("#log", has_text="over").wait_for()
        page.locator("h1 .success").wait_for()
        assert page.locator("#log").inner_text().split() == ["begun", "over"]


@pytest.mark.slow
def test_a_connection_that_is_lost_is_told(folder: Path, browser: Browser) -> None:
    with (
        serving(folder) as served,
        Site(folder, served.url, browser).page(expected="Failed to load|data:") as page,
    ):
        page.wait_for_timeout(300)
        served.process.kill()
        page.locator("#connection:not([hidden])").wait_for()


@pytest.mark.slow
def test_without_script_all_is_there(site: Site) -> None:
    with site.page("/", java_script_enabled=False) as page:
        page.get_by_role("link", name="etl", exact=True).click()
        page.get_by_role("link", name="etl#2").click()
        page.get_by_role("table").get_by_role("link", name="load").click()
        assert "no rows" in page.locator("#log").inner_text()
        page.get_by_role("searchbox").fill("Break")
        page.get_by_role("searchbox").press("Enter")
        assert page.get_by_role("link", name=re.compile("^[0-9a-f]{12}$")).count() == 1


@pytest.mark.slow
def test_the_keyboard_is_enough(site: Site) -> None:
    with site.page("/workflows/etl") as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        reached = set()
        for _ in range(200):
            where, is_seen = page.evaluate(FOCUS)
            if where is None:
                break
            assert is_seen, f"the focus is not seen on {where}"
            reached.add(where)
            page.keyboard.press("Tab")
        assert {"/tasks/etl/load", "/runs/etl/2", "/workflows/etl/run"} <= reached
        assert "Pause the schedule" in reached


@pytest.mark.slow
def test_a_run_is_cancelled_and_gone_on_with(site: Site) -> None:
    with _going_on(site.folder) as number, site.page(f"/runs/slow/{number}") as page:
        page.get_by_role("button", name="Cancel").click()
        page.locator("h1 .cancelled").wait_for()
        page.get_by_role("button", name="Retry").click()
        page.locator("h1 .running").wait_for()
        (site.folder / "go").touch()
        page.locator("h1 .success").wait_for()


@pytest.mark.slow
def test_a_form_runs_a_workflow_with_parameters(site: Site) -> None:
    for script in (True, False):
        with site.page("/workflows/etl", java_script_enabled=script) as page:
            page.get_by_role("link", name="Run", exact=True).click()
            assert page.get_by_label("day").input_value() == "2026-01-01"
            page.get_by_label("day").fill("2026-03-04")
            page.get_by_label("rows").fill("17")
            page.get_by_role("button", name="Run").click()
            page.wait_for_url("**/workflows/etl")
            assert "etl will run in a moment" in page.locator(".notice").inner_text()
    with ork.open(site.folder) as project:
        found = [project.store.value(oid) for _, oid in project.store.refs("queue/etl/")]
    assert [one["params"] for one in found] == [  # type: ignore[index, call-overload]
        {"day": "2026-03-04", "rows": 17, "deep": {"a": [1]}}
    ] * 2


@pytest.mark.slow
def test_a_rollback_shows_first_what_it_changes(site: Site) -> None:
    with site.page("/deploys/etl~1") as page:
        page.get_by_role("link", name="Roll back to this").click()
        assert "tasks/load.sh" in page.locator("main").inner_text()
        page.get_by_role("button", name="Roll back").click()
        page.wait_for_url("**/workflows/etl")
        page.goto(page.url.replace("/workflows/etl", "/ops"))
        assert "ork up: rollback etl" in page.locator("tbody tr").first.inner_text()
        page.get_by_role("button", name="Undo").first.click()
        page.locator(".notice", has_text="took back").wait_for()


@pytest.mark.slow
def test_a_schedule_is_paused_and_resumed(site: Site) -> None:
    with site.page("/workflows/etl") as page:
        page.get_by_role("button", name="Pause the schedule").click()
        page.get_by_role("button", name="Resume the schedule").wait_for()
        assert "paused" in page.locator("header").inner_text()
        page.get_by_role("button", name="Resume the schedule").click()
        page.get_by_role("button", name="Pause the schedule").wait_for()


HOSTILE = ("script", "style", "title", "quotes", "bidi", "escape", "lines", "details", "entities")


@pytest.fixture(scope="module")
def hostile(
    tmp_path_factory: pytest.TempPathFactory, browser: Browser
) -> Iterator[Callable[[str], Site]]:
    """Sites of stores that have a hostile text in every field."""
    open_now = []

    def site(text: str) -> Site:
        folder = tmp_path_factory.mktemp("hostile")
        location.create(folder / ".ork")
        store = location.open_store(folder / ".ork", environ={})
        fill(store, text)
        store.close()
        server = serving(folder, allow_changes=True)
        open_now.append(server)
        return Site(folder, server.__enter__().url, browser)

    yield site
    for server in open_now:
        server.__exit__(None, None, None)


@pytest.mark.slow
def test_hostile_texts_are_texts(hostile: Callable[[str], Site]) -> None:
    text = " ".join(NAUGHTY[name] for name in HOSTILE)
    site = hostile(text)
    paths = [
        *(PAGES[name] for name in ("workflows", "workflow", "deploys", "deploy", "runs", "run")),
        *(PAGES[name] for name in ("run-failed", "text", "compare-runs", "compare-deploys", "ops")),
        "/runs/etl/2/log/extract",
        "/runs/etl/3/log/load",
        "/runs/etl/3",
        "/tasks/etl/extract",
        "/workflows/etl/run",
        "/search?q=" + quote(text[:200]),
        "/compare?" + "&".join(f"{end}={quote(text[:200])}" for end in ("old", "new")),
        "/runs/" + quote(text[:100], safe=""),
    ]
    with site.page() as page:
        base = page.url.rstrip("/")
        for path in paths:
            page.goto(base + path)
            assert page.locator("h1").count() >= 1, path
            assert harmless(page.locator("body").inner_text().replace("\u2028", "")), path
            for selector in ("script:not([src])", "img", "b[onclick]", "iframe", "[onload]"):
                assert page.locator(selector).count() == 0, (path, selector)


@pytest.mark.slow
def test_each_page_has_its_document(site: Site) -> None:
    with site.page() as page:
        base = page.url.rstrip("/")
        for path in PAGES.values():
            where, _, query = path.partition("?")
            where = f"{where.rstrip('/') or '/index'}.json" + (f"?{query}" if query else "")
            answer = page.request.get(base + where)
            if answer.status == 200:
                assert json.loads(answer.text()).keys() == {"schema", "data"}, path
            else:
                assert answer.status == 404, (path, answer.text())
