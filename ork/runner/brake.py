"""When and why a run stops before its end: the user, `ork cancel`, a failure, time. Pure."""

from __future__ import annotations

LINGER_SECONDS = 2.0  # after the user's first request, tasks may end by themselves this long
GRACE_SECONDS = 3.0  # then they are asked to end, and after this killed
NEVER = float("inf")


class Brake:
    """The reasons of one run to stop; moments are those of a monotonic clock.

    Once `reason` is set nothing more is started: "user", "timeout" or "failure".
    """

    def __init__(self, end_at: float = NEVER) -> None:
        self.reason: str | None = None
        self.end_at = end_at  # when the run has taken too long
        self.ask_at = NEVER  # when running tasks are asked to end
        self._asked = 0

    @property
    def look_at(self) -> float:
        """The next moment at which `look` may have something to say."""
        return min(self.ask_at, self.end_at)

    def fail(self, now: float) -> None:
        """Stop because a task failed, and the user wants no more then."""
        self.pull("failure", now)

    def pull(self, reason: str, ask_at: float) -> None:
        """Stop for this reason, unless there is one; ask running tasks to end at that moment."""
        self.reason = self.reason or reason
        self.ask_at = min(self.ask_at, ask_at)

    def look(self, now: float, asked: int) -> float | None:
        """Return the grace in seconds with which running tasks are to be stopped now, or None.

        `asked` is how often the user has asked for a stop so far: twice means at once.
        """
        if asked > self._asked:
            self._asked = asked
            self.pull("user", now + LINGER_SECONDS)
            if asked > 1:
                return 0.0
        if now >= self.end_at:
            self.end_at = NEVER
            self.pull("timeout", now)
        if now >= self.ask_at:
            self.ask_at = NEVER
            return GRACE_SECONDS
        return None
