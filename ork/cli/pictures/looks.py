"""The signs and colours of tasks: by the state in a run, and by the kind of a change."""

from __future__ import annotations

# State -> fill and border; dark text is readable on all of them.
COLORS = {
    "success": ("#c8e6c9", "#388e3c"),
    "failed": ("#ffcdd2", "#c62828"),
    "running": ("#bbdefb", "#1565c0"),
    "pending": ("#eceff1", "#78909c"),
    "cancelled": ("#ffe0b2", "#ef6c00"),
    "interrupted": ("#ffe0b2", "#ef6c00"),
    "skipped": ("#f5f5f5", "#9e9e9e"),
    "upstream_failed": ("#fff9c4", "#f9a825"),
}
PLAIN_COLOR = ("#e8eaf6", "#3949ab")  # of a definition, which has no states
# The same of the kinds of a change; "affected" and "same" are those that nobody edited.
CHANGE_COLORS = {
    "added": ("#c8e6c9", "#388e3c"),
    "removed": ("#ffcdd2", "#c62828"),
    "changed": ("#ffe0b2", "#ef6c00"),
    "renamed": ("#e1bee7", "#8e24aa"),
    "affected": ("#fff9c4", "#f9a825"),
    "same": ("#f5f5f5", "#9e9e9e"),
}
ALL_COLORS = COLORS | CHANGE_COLORS
EDGE_COLORS = {"added": "#388e3c", "removed": "#c62828"}
STATE_SIGNS = {
    "success": "✓",
    "failed": "✕",
    "running": "▸",
    "cancelled": "–",
    "interrupted": "–",
    "skipped": "↷",
    "upstream_failed": "↷",
}
SIGNS = {"added": "+", "removed": "-", "changed": "~", "renamed": ">"}
ALL_SIGNS = STATE_SIGNS | SIGNS
