"""A run -> the sections of its page: what it was, its graph, timeline, tasks, values and logs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ork.cli.diff.wording import many, value_text
from ork.cli.pictures.change import nearest
from ork.cli.pictures.graph import Graph
from ork.cli.report.markup import Html, Part, code, el, facts, join, multiline, section, table
from ork.cli.report.page import header, picture
from ork.cli.report.parts import short, state_chip
from ork.cli.report.timeline import critical_path, lanes, timeline
from ork.cli.screen import human as words
from ork.cli.screen.parts import clip
from ork.objects.canonical import Json
from ork.objects.kinds import Deploy, TaskRun
from ork.store.contents import RunDetails, TaskDetails

TASKS_MAX = 150  # in the picture
ROWS_MAX = 1_000  # of the tables
VALUES_MAX = 300  # of the tasks whose inputs and outputs are shown
VALUE_CHARS_MAX = 4_000
LINES_MAX = 200  # of one error, value or log
LINE_CHARS_MAX = 1_000
REASON_CHARS_MAX = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """All that the page of a run tells. `logs` has the last lines of tasks that failed."""

    details: RunDetails
    needs: Mapping[str, tuple[str, ...]]
    deploy: Deploy | None = None
    environment: Json = None
    logs: Mapping[str, str] = field(default_factory=dict)

    @property
    def taskruns(self) -> dict[str, TaskRun]:
        """What became of each task that has got anywhere."""
        return {name: task.taskrun for name, task in self.details.tasks.items()}


def run_header(report: RunReport, now: datetime) -> Html:
    """Return the head of the page: which run, how it ended, when, and why."""
    run = report.details.run
    states = [task.taskrun.state for task in report.details.tasks.values()]
    chips = [
        el(
            "span",
            f"{states.count(state):,} {words.STATE_WORDS.get(state, state)}",
            class_=f"chip {state}",
        )
        for state in dict.fromkeys(sorted(states))
    ]
    took = f" · took {words.duration(run.seconds)}" if run.seconds is not None else ""
    why = f" · {clip(run.reason, REASON_CHARS_MAX)}" if run.reason else ""
    lead = f"{words.date(run.created, now)}{took}{why}"
    return header([f"{run.workflow}#{run.number} ", state_chip(run.state)], lead, chips)


def run_sections(report: RunReport, now: datetime) -> Iterator[Html]:
    """Yield the sections: what failed first, then the picture, timeline, tasks, values, facts."""
    run, states = report.details.run, report.taskruns
    yield from _failures(report)
    graph = Graph(title=f"{run.workflow}#{run.number}", needs=report.needs, states=states)
    yield picture("Graph", nearest(graph, TASKS_MAX), note=many(len(report.needs), "task"))
    found = lanes(states, report.needs, run.created)
    if found:
        path = critical_path(found, report.needs)
        yield section("Timeline", timeline(found, path if len(path) > 1 else ()))
    yield section("Tasks", _tasks(report), note=_clipped(len(report.needs)))
    if values := _values(report):
        yield section("Inputs and outputs", values)
    yield section("What ran", _facts(report, now))


def _failures(report: RunReport) -> Iterator[Html]:
    failed = [
        (name, task.taskrun)
        for name, task in report.details.tasks.items()
        if task.taskrun.state in ("failed", "interrupted")
    ]
    parts: list[Part] = []
    for name, taskrun in failed[:ROWS_MAX]:
        error = next((a.error for a in reversed(taskrun.attempts) if a.error), None)
        why = clip(taskrun.reason or "", REASON_CHARS_MAX)
        title = [state_chip(taskrun.state), " ", code(name), el("span", why, class_="note")]
        log = report.logs.get(name, "").rstrip("\n")
        parts.append(
            el(
                "details",
                el("summary", title),
                _lines("error", error) if error and error != taskrun.reason else None,
                _lines("the end of its log", log) if log not in (error or "") else None,
                open=len(failed) <= 5,
            )
        )
    if parts:
        yield section("What failed", parts, note=_clipped(len(failed)))


def _lines(title: str, value: str) -> Html:
    lines = [el("b", clip(line, LINE_CHARS_MAX)) for line in value.rstrip("\n").split("\n")]
    if len(lines) > LINES_MAX:
        rest = el("b", f"... {len(lines) - LINES_MAX:,} lines ...", class_="at")
        lines = [*lines[: LINES_MAX // 2], rest, *lines[-LINES_MAX // 2 :]]
    return join([el("h3", title), el("pre", lines)])


def _tasks(report: RunReport) -> Html:
    rows: list[list[Part]] = []
    for name in list(report.needs)[:ROWS_MAX]:
        task = report.details.tasks.get(name)
        taskrun = task.taskrun if task else None
        attempts = taskrun.attempts if taskrun else ()
        seconds = words.duration(sum(a.seconds for a in attempts)) if attempts else "-"
        reason = taskrun.reason if taskrun and taskrun.state != "success" else None
        why = reason and el("span", clip(reason, REASON_CHARS_MAX), class_="why")
        rows.append(
            [
                code(name),
                state_chip(taskrun.state if taskrun else "pending"),
                str(len(attempts)),
                el("span", seconds, class_="thin"),
                why,
            ]
        )
    return table(("task", "state", "attempts", "took", "why"), rows)


def _values(report: RunReport) -> Html:
    parts = []
    for name, task in list(report.details.tasks.items())[:VALUES_MAX]:
        inputs, output = task.inputs, task.output
        if inputs not in (None, {}) or output is not None:
            title = el("summary", code(name), el("span", _gist(task), class_="note"))
            parts.append(
                el(
                    "details",
                    title,
                    [
                        _lines(word, _json(value))
                        for word, value in (("inputs", inputs), ("output", output))
                        if value not in (None, {})
                    ],
                )
            )
    return join(parts)


def _gist(task: TaskDetails) -> str:
    text = json.dumps(task.output, ensure_ascii=False) if task.output is not None else ""
    return text if len(text) <= 80 else text[:77] + "..."


def _facts(report: RunReport, now: datetime) -> Html:
    run, deploy = report.details.run, report.deploy
    made: Part = "none: the snapshot was run unattached"
    if deploy is not None and run.deploy is not None:
        made = [
            short(run.deploy),
            f" {deploy.message.partition(chr(10))[0]}",
            el("div", f"{deploy.author}, {words.date(deploy.time, now)}", class_="soft"),
        ]
    return facts(
        (
            ("workflow", run.workflow),
            ("run", code(run.id)),
            ("snapshot", code(run.snapshot)),
            ("deploy", made),
            ("started by", f"{run.author} on {run.host}"),
            ("trigger", run.trigger + (f", round {run.attempt}" if run.attempt > 1 else "")),
            ("began", words.date(run.created, now)),
            ("ended", words.date(run.ended, now) if run.ended else None),
            ("parameters", _params(report.details.params)),
            ("environment", _environment(report.environment)),
        )
    )


def _params(value: Json) -> Part:
    if not isinstance(value, dict):
        return None
    return [
        el("div", code(name), " ", code(value_text(item), "soft"))
        for name, item in sorted(value.items())
    ]


def _environment(value: Json) -> Part:
    if not isinstance(value, dict):
        return None
    rest = [f"{key} {item}" for key, item in value.items() if not isinstance(item, (dict, list))]
    lists = [(key, item) for key, item in value.items() if isinstance(item, (dict, list)) and item]
    parts: list[Part] = [el("div", ", ".join(rest))] if rest else []
    for key, item in lists:
        listed = "\n".join(map(str, item)) if isinstance(item, list) else _json(item)
        parts.append(
            el(
                "details",
                el("summary", f"{len(item)} {key}"),
                el("pre", multiline(listed), class_="log"),
            )
        )
    return parts or None


def _json(value: Json) -> str:
    text = json.dumps(value, ensure_ascii=False, indent=2)
    if len(text) > VALUE_CHARS_MAX:
        rest = len(text) - VALUE_CHARS_MAX
        text = f"{text[:VALUE_CHARS_MAX]}\n... and {rest:,} more characters"
    return text


def _clipped(total: int) -> str | None:
    return f"the first {ROWS_MAX:,} of {total:,}" if total > ROWS_MAX else None
