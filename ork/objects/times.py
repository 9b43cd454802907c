"""Moments as objects write them."""

from __future__ import annotations

from datetime import UTC, datetime


def format_time(time: datetime) -> str:
    """Return a time as objects write it: UTC, RFC 3339, always six digits of a second."""
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse_time(text: str) -> datetime:
    """Return the time of `format_time`; raise ValueError on any other form."""
    time = datetime.fromisoformat(text)
    if time.tzinfo is not UTC or format_time(time) != text:
        raise ValueError(f"not a time as ork writes it: {text!r}")
    return time
