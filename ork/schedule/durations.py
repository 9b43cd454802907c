"""Durations as a workflow file writes them: `30s`, `5m`, `1h30m`, `2d`."""

from __future__ import annotations

import re

_DURATION = r"(?a)(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?"
_SECONDS = {"d": 86_400, "h": 3600, "m": 60, "s": 1}


def seconds_of(text: str) -> float | None:
    """Return the seconds of a duration; None of any other text."""
    match = re.fullmatch(_DURATION, text) if text else None
    if match is None:
        return None
    parts = zip(match.groups("0"), _SECONDS.values(), strict=True)
    return sum(float(count) * seconds for count, seconds in parts)


def duration_text(seconds: float) -> str:
    """Return the one text that is used for a duration."""
    micros = round(seconds * 1_000_000)
    parts = []
    for unit in "dhm":
        count, micros = divmod(micros, _SECONDS[unit] * 1_000_000)
        parts += [f"{count}{unit}"] if count else []
    if micros or not parts:
        parts.append(f"{micros / 1_000_000:.6f}".rstrip("0").rstrip(".") + "s")
    return "".join(parts)
