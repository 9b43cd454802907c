"""A job on its way to its outcome: its clock, its log, and why it is being stopped."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from ork.executors.base import Ending, Job, Outcome
from ork.executors.logfile import Log
from ork.mask import Masker
from ork.objects.canonical import Json

ERROR_CHARACTERS_MAX = 20_000
FOREVER = float("inf")


class Attempt:
    """One try at a job, known to whoever started it by a name."""

    def __init__(self, name: str, job: Job) -> None:
        self.name, self.job = name, job
        self.state: Ending | None = None  # of an attempt that is being stopped: how it will end
        self.error: str | None = None
        self.late = ""  # what is to be said if it times out now
        self.kill_at = FOREVER
        self._masker = Masker(job.secrets) if job.secrets else None
        self.log = Log(job.log, self._masker, top=job.store, answers=job.executor == "process")
        self.started = datetime.now(UTC)
        self.begun = time.monotonic()
        self.deadline = self.begun + job.timeout_s
        self._end_max = self.deadline  # of one that ends by itself

    def ended_at(self, moment: Json) -> None:
        """Note when it has ended, as a worker tells: ork may hear of it much later."""
        if isinstance(moment, float):
            self._end_max = min(self._end_max, max(self.begun, moment))

    def outcome(
        self,
        state: Ending,
        error: str | None = None,
        *,
        output: Json = None,
        exit: int | None = None,
        signal: int | None = None,
    ) -> Outcome:
        """Return the outcome; an attempt that is being stopped ends as told, whatever it says.

        A task that is asked to end may well do so with exit code 0 and its work half done. Secrets
        are masked before the error is cut, which could leave a part of one.
        """
        end = time.monotonic()
        if self.state is not None:
            state, error, output = self.state, self.error, None
        else:
            end = min(end, self._end_max)
        if self._masker is not None:
            output = self._masker.mask_json(output)
        if error is not None:
            error = _cut(self.masked(error))
        return Outcome(
            state=state,
            started=self.started,
            seconds=end - self.begun,
            exit=exit,
            signal=signal,
            error=error,
            output=output,
            printed=self.log.written,
            log_error=self.log.error,
        )

    def masked(self, text: str) -> str:
        """Return a text without the secrets of the job."""
        return text if self._masker is None else self._masker.mask_text(text)


def _cut(error: str) -> str:
    if len(error) <= ERROR_CHARACTERS_MAX:
        return error
    half = ERROR_CHARACTERS_MAX // 2
    return f"{error[:half]}\n[...]\n{error[-half:]}"
