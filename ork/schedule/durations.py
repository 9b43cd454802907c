"""Durations as a workflow file writes them: `500ms`, `30s`, `5m`, `1h30m`, `2d`."""

from __future__ import annotations

import re

PATTERN = r"(\d+d)?(\d+h)?(\d+m)?(\d+(\.\d+)?s)?(\d+ms)?"  # as a JSON Schema has it, too
_SECONDS = {"d": 86_400, "h": 3600, "m": 60, "s": 1, "ms": 0.001}


def seconds_of(text: str) -> float | None:
    """Return the seconds of a duration; None of any other text."""
    if not text or not re.fullmatch(PATTERN, text, re.ASCII):
        return None
    parts = re.findall(r"([\d.]+)([a-z]+)", text)
    return sum(float(count) * _SECONDS[unit] for count, unit in parts)


def duration_text(seconds: float) -> str:
    """Return the one text that is used for a duration."""
    micros = round(seconds * 1_000_000)
    parts = []
    for unit in "dhm":
        count, micros = divmod(micros, int(_SECONDS[unit]) * 1_000_000)
        parts += [f"{count}{unit}"] if count else []
    if micros or not parts:
        parts.append(f"{micros / 1_000_000:.6f}".rstrip("0").rstrip(".") + "s")
    return "".join(parts)
