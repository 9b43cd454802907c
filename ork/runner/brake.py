"""When and why a run stops before its end: somebody, a signal, a failure, time. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ork.errors import some
from ork.objects.kinds import Run, RunState, TaskRun

LINGER_SECONDS = 2.0  # after the first request, tasks may end by themselves this long
GRACE_SECONDS = 3.0  # then they are asked to end, and after this killed
NEVER = float("inf")
NAMED = 3  # tasks in a reason
# A record tells in words only what ended the run.
DONE = ("success", "skipped")
LATE = "the run took longer than"
SIGNAL = "signal"
_CUT_OFF = rf"stopped by {SIGNAL} (INT|TERM|HUP)\b"  # else it is the name of somebody


class Brake:
    """The reasons of one run to stop; moments are those of a monotonic clock.

    Once `reason` is set nothing more is started: "asked", "timeout" or "failure".
    """

    def __init__(self) -> None:
        self.reason: str | None = None
        self.end_at = NEVER  # when the run has taken too long
        self.ask_at = NEVER  # when running tasks are asked to end
        self._asked = 0

    @property
    def look_at(self) -> float:
        """The next moment at which `look` may have something to say."""
        return min(self.ask_at, self.end_at)

    def pull(self, reason: str, ask_at: float) -> None:
        """Stop for this reason, unless there is one; ask running tasks to end at that moment."""
        self.reason = self.reason or reason
        self.ask_at = min(self.ask_at, ask_at)

    def look(self, now: float, asked: int) -> float | None:
        """Return the grace in seconds with which running tasks are to be stopped now, or None.

        `asked` is how often somebody has asked for a stop so far: twice means at once.
        """
        if asked > self._asked:
            self._asked = asked
            self.pull("asked", now + LINGER_SECONDS)
            if asked > 1:
                return 0.0
        if now >= self.end_at:
            self.end_at = NEVER
            self.pull("timeout", now)
        if now >= self.ask_at:
            self.ask_at = NEVER
            return GRACE_SECONDS
        return None


def why_stopped(
    stopped: str | None,
    failure: str | None,
    *,
    timeout_s: float | None,
    by: str,
    task: str | None,
) -> str:
    """Return why a run was stopped, which is why its tasks were.

    `stopped` is the reason of a brake, `by` whoever asked for it: the user, or SIGNAL and its name.
    `failure` is what went wrong in ork itself, `task` the one whose failure stopped the run.
    """
    if failure:
        return f"ork could not go on: {failure}"
    if stopped == "timeout":
        return f"{LATE} {timeout_s:g} s"
    if stopped == "failure":
        return f"{task} failed (--fail-fast)"
    return f"stopped by {by}"


def end_state(
    states: Mapping[str, TaskRun],
    failed: Mapping[str, TaskRun],
    stopped: str | None,
    failure: str | None,
    why: str,
) -> tuple[RunState, str | None]:
    """Return how a run ended, and why it did not succeed: if it was stopped, that is `why`.

    `failed` are the tasks that failed by themselves.
    """
    if failure:
        return "interrupted", and_failed(why, failed)
    if stopped == "asked":
        return "cancelled", and_failed(why, failed)
    if stopped == "timeout":
        return "failed", why
    if failed:
        return "failed", _failures_in_words(failed)
    rest = [name for name, taskrun in states.items() if taskrun.state not in DONE]
    return ("failed", f"not tried again: {some(rest, NAMED)}") if rest else ("success", None)


def and_failed(why: str, failed: Mapping[str, TaskRun]) -> str:
    """Return why a run was stopped, and which task had failed by then."""
    return f"{why}; {_failures_in_words(failed)}" if failed else why


def _failures_in_words(failed: Mapping[str, TaskRun]) -> str:
    first, more = next(iter(failed)), f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    return f"{first}: {failed[first].reason}{more}"


def was_cut_off(run: Run) -> bool:
    """Say whether a signal stopped a run: its terminal was closed, its machine shut down."""
    return run.state == "cancelled" and bool(re.match(_CUT_OFF, run.reason or ""))
