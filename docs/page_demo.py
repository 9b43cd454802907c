"""Takes the picture of the page that web.md shows: `python docs/page_demo.py FOLDER`.

Makes a project in the folder, if it is not there, with some workflows and three weeks of their
runs, serves its page, and takes the picture with Chromium; `--serve` only serves it. The clock of
what is run here is set back, so that the runs are as far apart as their schedules say.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from ork.cli.app import main
from ork.cli.session import World

FILES = {
    "sales.yaml": """\
name: sales
description: Yesterday's orders, cleaned, joined with prices, and told to the shop floor
schedule: "30 5 * * *"
params:
  day: {type: date, default: 2026-11-01}
  region: {type: str, default: all}
tasks:
  orders: {executor: python, file: tasks/shop.py, function: orders, output_type: {rows: int}}
  prices: {executor: python, file: tasks/shop.py, function: prices, output_type: {rows: int}}
  stock: {executor: process, command: "sleep 0.1; echo 214 pallets counted"}
  clean:
    executor: python
    file: tasks/shop.py
    function: clean
    depends_on: [orders]
    inputs: {rows: {ref: tasks.orders.output.rows}}
  join:
    executor: python
    file: tasks/shop.py
    function: join
    depends_on: [clean, prices]
    inputs: {rows: {ref: tasks.clean.output.rows}}
  forecast: {executor: process, command: tasks/forecast.sh, depends_on: [join, stock], retries: 1}
  load: {executor: process, command: "echo loaded", depends_on: [join]}
  report: {executor: process, command: "echo sent to 12 people", depends_on: [load, forecast]}
""",
    "tasks/shop.py": """\
import random
import time


def orders():
    time.sleep(random.uniform(0.05, 0.25))
    rows = random.randint(9000, 12000)
    print(f"{rows} orders of yesterday")
    return {"rows": rows}


def prices():
    time.sleep(0.06)
    return {"rows": 1830}


def clean(rows):
    time.sleep(random.uniform(0.1, 0.2))
    print(f"{rows // 97} orders without an article were left out")
    return {"rows": rows - rows // 97}


def join(rows):
    time.sleep(0.08)
    return {"rows": rows, "unknown": rows // 1000}
""",
    "tasks/forecast.sh": "#!/bin/sh\nsleep 0.2\necho 'fitting 14 days'\necho 'error 4.1 %'\n",
    "weather.yaml": """\
name: weather
description: Stations of the hour into one table
schedule: "@hourly"
tasks:
  fetch: {executor: process, command: "sleep 0.05; echo 31 stations"}
  merge: {executor: process, command: "sleep 0.03; echo merged", depends_on: [fetch]}
  publish: {executor: process, command: "echo published", depends_on: [merge]}
""",
    "invoices.yaml": """\
name: invoices
description: Invoices of the month, made and sent
schedule: "0 7 1 * *"
tasks:
  collect: {executor: process, command: "sleep 0.1; echo 412 customers"}
  make: {executor: process, command: "sleep 0.2; echo made", depends_on: [collect]}
  send: {executor: process, command: "echo sent", depends_on: [make]}
""",
    "backup.yaml": """\
name: backup
description: The warehouse, copied and checked
tasks:
  copy: {executor: process, command: "sleep 0.1; echo 18 GB"}
  check: {executor: process, command: "echo all sums are right", depends_on: [copy]}
""",
}


class Project:
    """A folder in which commands run as if it were another time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.back = timedelta(0)
        self.author = "Ada Lovelace"
        self._tokens = count(1)
        for name, text in FILES.items():
            self.write(name, text)
        (folder / "tasks/forecast.sh").chmod(0o755)

    def write(self, name: str, text: str) -> None:
        """Write a file of the project."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def change(self, name: str, old: str, new: str) -> None:
        """Put one text in place of another, in a file of the project."""
        text = (self.folder / name).read_text()
        assert old in text
        self.write(name, text.replace(old, new))

    def ork(self, *argv: str, days: float, hour: float = 0) -> int:
        """Run a command as so many days ago, at this hour of that day."""
        now = datetime.now(UTC)
        at = now - timedelta(days=days)
        if hour:
            at = at.replace(hour=int(hour), minute=int(hour % 1 * 60), second=0, microsecond=0)
        back = now - min(at, now)
        world = World(
            environ={
                **os.environ,
                "ORK_AUTHOR_NAME": self.author,
                "ORK_AUTHOR_EMAIL": f"{self.author.split()[0].lower()}@example.org",
            },
            clock=lambda: datetime.now(UTC) - back,
            token=lambda: f"{next(self._tokens):06x}",
        )
        return main(list(argv), world=world)


def fill(folder: Path) -> None:
    """Make the project: deploys, changes, and runs that went well and badly."""
    folder.mkdir(parents=True)
    os.chdir(folder)
    project = Project(folder)
    ork = project.ork
    ork("deploy", "sales.yaml", "-m", "Orders and prices of yesterday", days=21)
    ork("deploy", "backup.yaml", "-m", "Copy and check", days=20)
    ork("deploy", "invoices.yaml", "-m", "Invoices of the month", days=20)
    ork("deploy", "weather.yaml", "-m", "Stations of the hour", days=2)
    ork("run", "invoices", days=20, hour=7)
    for days in range(20, 12, -1):
        ork("run", "sales", days=days, hour=5.5)
    project.author = "Grace Hopper"
    project.change("tasks/shop.py", "rows // 97", "rows // 89")
    project.change("sales.yaml", "retries: 1", "retries: 2")
    message = "Leave out orders without an article\n\nThe shop sends them since Monday."
    ork("deploy", "sales.yaml", "-m", message, days=12.4)
    ork("tag", "sales@v1.4", days=12.3)
    for days in range(12, 6, -1):
        ork("run", "sales", days=days, hour=5.5)
    for days in (18, 11, 4):
        ork("run", "backup", days=days, hour=22)
    project.author = "Ada Lovelace"
    project.write("tasks/forecast.sh", "#!/bin/sh\necho 'no model for 2026-11-21' >&2\nexit 3\n")
    ork("deploy", "sales.yaml", "-m", "Fit the forecast anew each day", days=6.4)
    for days in (6, 5):
        ork("run", "sales", days=days, hour=5.5)
    ork("rollback", "sales", "-m", "The new forecast has no model yet", days=4.6)
    for days in range(4, 0, -1):
        ork("run", "sales", days=days, hour=5.5)
    for hours in range(14, 0, -1):
        ork("run", "weather", days=hours / 24)


def serve(folder: Path, **more: object) -> tuple[subprocess.Popen[bytes], str]:
    """Start the process of the page; return it and the page's address."""
    setup = json.dumps({"store": str(folder / ".ork"), "listen": "127.0.0.1:0", **more})
    words = [sys.executable, "-m", "ork.cli.web", setup]
    page = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert page.stdout is not None
    return page, json.loads(page.stdout.readline())["url"]


def take_picture(url: str, file: Path) -> None:
    """Take the picture of a workflow."""
    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    rights = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=rights)
        size = {"width": 1080, "height": 800}
        page = browser.new_page(viewport=size, device_scale_factor=1.25)
        page.goto(url.partition("?")[0] + "workflows/sales")
        page.screenshot(path=file)
        browser.close()


if __name__ == "__main__":
    chosen = Path(sys.argv[1]).absolute()
    if not chosen.exists():
        fill(chosen)
    served, address = serve(chosen, allow_changes="--serve" in sys.argv)
    try:
        if "--serve" in sys.argv:
            sys.stdout.write(f"{address}\n")
            sys.stdout.flush()
            served.wait()
        else:
            take_picture(address, Path(__file__).parent / "images" / "page.png")
    finally:
        served.terminate()
