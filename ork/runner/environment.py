"""What the tasks of a run find around them: the Python, the platform, what is installed."""

from __future__ import annotations

import sys
from functools import lru_cache

from ork.objects import canonical
from ork.worker import probe

PROBE_SECONDS_MAX = 20


@lru_cache(maxsize=8)
def describe(python: str) -> bytes:
    """Return canonical JSON about an interpreter and its machine.

    Of an interpreter that does not start only its path is known.
    """
    if python == sys.executable:
        return canonical.encode(probe.describe())
    import json
    import subprocess

    try:
        done = subprocess.run(
            [python, "-B", str(probe.__file__)],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=PROBE_SECONDS_MAX,
            cwd="/",
        )
        return canonical.encode(json.loads(done.stdout))
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return canonical.encode({"executable": python})
