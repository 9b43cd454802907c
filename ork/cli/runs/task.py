"""ork runs WORKFLOW:TASK and --tasks: one task over time, a line for each run, or all, one each"""

from collections.abc import Iterable, Iterator

from ork.cli.runs.list import VALUE_CHARS_MAX
from ork.cli.screen import human
from ork.cli.screen.line import MARKS, Line
from ork.cli.screen.parts import Row, aligned, is_narrow
from ork.cli.session import Session
from ork.history.tasks import TaskRow, TaskTimes
from ork.store.verdict import taint, taint_text


def task_rows_view(rows: Iterable[TaskRow], session: Session) -> Iterator[Line]:
    """Yield one line per run: state of the task, time, duration, what is new, output or reason.

    Where there is little room the reason has a line of its own.
    """
    store, now, width = session.store, session.now(), session.width

    def shown(row: TaskRow) -> Row:
        run, found = row.run, row.taskrun
        reason = (found.reason or "") if found and found.state != "success" else ""
        cells = [
            (run.name, "name"),
            (human.mark(found) if found else MARKS[row.state], row.state),
            (human.moment(run.created, now, width), "time"),
        ]
        rest: Line = [f"  {human.took(found) if found else '-':>7}"]
        if run.trigger == "bisect":
            rest.append("  by bisect")
        if made_up := human.made_up(run, now):
            rest.append(f"  {made_up}")
        if found and len(found.attempts) > 1:
            rest.append(f"  {human.count(len(found.attempts), 'attempt')}")
        if found and (changed := taint(found)):
            rest += ["  ", (taint_text(changed), "warning")]
        if row.new:
            rest += ["  ", (row.new, "changed")]
        if found and found.output:  # which another run gave, where there is a reason
            rest += ["  ", reason] if reason else []
            return cells, [*rest, "  ", (store.gist(found.output, VALUE_CHARS_MAX), "dim")], ""
        return cells, rest, reason

    return aligned(map(shown, rows), width)


def task_times_view(times: Iterable[TaskTimes], session: Session) -> Iterator[Line]:
    """Yield one line per task: how long it usually takes, and the last time, and what is new."""
    narrow = is_narrow(session.width)

    def shown(one: TaskTimes) -> Row:
        executed = one.succeeded + one.failed
        rest = f"  usually {human.duration(one.median):>7}  last {human.duration(one.last):>7}"
        rest += "" if narrow else f"  {human.count(executed, 'run'):>8}"
        told = [f"failed {one.failed} of {executed}"] if one.failed else []
        if one.since:
            word = "slower" if one.slower > 0 else "faster"
            told.append(f"{word} since {one.since}: {human.duration(one.before)} before")
        return [(one.task, "name")], [rest], "  ".join(told)

    return aligned(map(shown, times), session.width)
