"""The one colour table: what a style name looks like on a terminal (ECMA-48 SGR parameters)."""

STYLES = {
    "oid": "33",
    "time": "2",
    "author": "36",
    "name": "1",
    "label": "2",
    "dim": "2",
    "heading": "1",
    "head": "1;36",
    "tag": "1;33",
    "added": "32",
    "removed": "31",
    "changed": "33",
    "renamed": "35",
    "affected": "36",
    "hunk": "36",
    "file": "1",
    "success": "32",
    "failed": "31",
    "running": "34",
    "pending": "2",
    "cancelled": "33",
    "interrupted": "33",
    "skipped": "2",
    "upstream_failed": "33",
    "error": "1;31",
    "hint": "1;34",
    "warning": "1;33",
    "key": "34",
    "string": "32",
}


def paint(text: str, style: str) -> str:
    """Return the text in a style; an unknown style is plain."""
    code = STYLES.get(style)
    return f"\x1b[{code}m{text}\x1b[0m" if code and text else text
