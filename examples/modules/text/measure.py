"""A module in a folder. It imports from the root, so ork records that module too."""

from collections import Counter

from words import split


def longest(words: list[str]) -> dict[str, object]:
    word = max(words, key=len)
    return {"word": word, "letters": len(word)}


def counts(words: list[str]) -> dict[str, int]:
    return dict(Counter(split(" ".join(words))["words"]))
