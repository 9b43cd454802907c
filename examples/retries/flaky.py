"""Stands for a service that is not always there."""

import os


def fetch() -> dict[str, object]:
    attempt = int(os.environ["ORK_ATTEMPT"])
    if attempt == 1:
        raise ConnectionError("connection refused; the next attempt will do")
    return {"attempt": attempt, "text": "here I am"}
