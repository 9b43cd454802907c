"""Finds obvious keys and passwords in a text, so that none is kept for ever by mistake.

Each rule has a word that all its finds contain, so most texts cost a few plain searches. Every
pattern is bounded and tried only at that word: no text takes more than linear time.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from ork.errors import Problem

SHOWN_CHARACTERS = 4
FINDS_MAX = 100  # told of one text
BINARY_PROBE_BYTES = 8192  # a text has no NUL byte among its first ones, as git judges it
HINT = "keep it out of the file: `env: {NAME: {secret: NAME}}`; --allow-secret stores it anyway"
_SOURCE_WIDTH_MAX = 500
_SCHEME_MAX = 20


class Secret(NamedTuple):
    """Something that looks like a key: its place and kind, without the key itself."""

    line: int  # both from 1
    column: int
    what: str


class _Find(NamedTuple):
    start: int
    end: int
    what: str


# What it is, a word in it, the pattern that begins with this word.
_RULES = (
    ("a private key", "-----BEGIN", r"-----BEGIN [A-Z0-9 ]{0,40}?PRIVATE KEY(?: BLOCK)?-----"),
    ("an AWS access key", "AKIA", r"AKIA[A-Z0-9]{16}(?![A-Za-z0-9])"),
    ("an AWS access key", "ASIA", r"ASIA[A-Z0-9]{16}(?![A-Za-z0-9])"),
    *(("a GitHub token", f"gh{kind}_", rf"gh{kind}_[A-Za-z0-9]{{36,255}}") for kind in "pousr"),
    ("a GitHub token", "github_pat_", r"github_pat_[A-Za-z0-9_]{22,255}"),
    ("a GitLab token", "glpat-", r"glpat-[A-Za-z0-9_-]{20,255}"),
    *(("a Slack token", f"xox{kind}-", rf"xox{kind}-[A-Za-z0-9-]{{10,255}}") for kind in "abprs"),
    ("a Stripe key", "sk_live_", r"sk_live_[A-Za-z0-9]{16,255}"),
    ("a Stripe key", "rk_live_", r"rk_live_[A-Za-z0-9]{16,255}"),
    ("a Google API key", "AIza", r"AIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])"),
    ("an Anthropic key", "sk-ant-", r"sk-ant-[A-Za-z0-9_-]{16,255}"),
    (
        "an OpenAI key",
        "sk-",
        r"sk-(?:(?:proj|svcacct|admin)-[A-Za-z0-9_-]{20,255}|[A-Za-z0-9]{20,255})",
    ),
    ("an npm token", "npm_", r"npm_[A-Za-z0-9]{36}(?![A-Za-z0-9])"),
    ("a PyPI token", "pypi-AgEI", r"pypi-AgEI[A-Za-z0-9_-]{16,1024}"),
    ("a SendGrid key", "SG.", r"SG\.[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9_-]{16,128}"),
    (
        "a JSON web token",
        "eyJ",
        r"eyJ[A-Za-z0-9_-]{8,2048}\.eyJ[A-Za-z0-9_-]{4,4096}\.[A-Za-z0-9_-]{8,1024}",
    ),
)
# A word that goes on from the left ("task-" before "sk-") is another word.
_TOKEN_BEGINS = r"(?<![A-Za-z0-9_])"
_URL = r"""(?x)
    ://[^\s:/@?\#"'`<>(){}\[\]\\|^$*]{0,128}   # the user, if any
    :(?P<password>[^\s/@?\#"'`<>{}\[\]\\|^]{1,256})@
    [A-Za-z0-9_.\[%-]                          # the host"""
# Names of secrets: each is given a value that is no word, by `=` in a shell, by `:`, or in quotes.
_NAMED = r"""(?xi)
    (?: pass(?:word|wd|phrase) | secret(?:_?access)?_?key | (?<=[a-z0-9]_)secret
      | token | (?:api|access|private)_?key )
    \d{0,2} (?![\w-])"""
_NAMED_WORDS = ("pass", "secret", "token", "api", "access", "private")  # with which they begin
_NAME_BEFORE = r"(?:--)?[A-Za-z0-9_]{0,40}\Z"
_VALUE = r"""[^\s"'`,;(){}\[\]<>|&$\\]{8,256}"""
_GIVEN = rf"""(?x)
    ["']? (?: (?P<shell>=|[ ](?![=:])) | [ ]{{0,3}}[:=]\s{{0,80}} )
    (?: \{{?\s{{0,80}}                            # {{type: str, default: ...}}, {{const: ...}}
        (?: type\s?:\s?\w{{1,20}}\s?,?\s{{0,80}} )?
        ["']?(?:const|default)["']?\s?:\s? )?
    (?P<quote>["']?) (?P<value>{_VALUE}) (?P=quote)
    (?P<end> (?= [ ]{{0,40}} (?: [,}};\r\n#] | \Z ) ) | (?= [\s)"'`&|\]] ) )"""
# Stands for a value: words, a name of a variable, a path, a part of a program.
_NO_VALUE = r"""(?xi)
    [^0-9]*\Z | [^a-z]*\Z | [./~@%*] | [a-z][a-z0-9+.-]*:// | [a-z_]\w*(?:\.\w+)+\Z
    | (?>(?:(?:your|my|this|the|some|access|api|an|a|example|sample|dummy|fake|test|token|todo
         |change|replace|insert|none|null|secret|password|passwd|private|public|key|here
         |me|it|value|with|for|x++|v)[-_.]?)+) \d{0,4} \Z
    | (?-i:[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)\Z"""
_SCHEME = r"[A-Za-z][A-Za-z0-9+.-]*\Z"
# Stands for a password: a variable, a format, a run of x or of something that is no letter.
_PLACEHOLDER = r"\$[A-Za-z_(]|%[(A-Za-z%]|\(|x+\Z|X+\Z|[*.+_~!,;=-]+\Z"
_BLANKED = r"[xX.]+\Z"  # what documents show instead of a key
_LINE_END = r"\r\n?|\n"
_compiled = lru_cache(maxsize=None)(re.compile)  # when needed: most texts need none of them


def find_secrets(text: str) -> list[Secret]:
    """Return the obvious keys in a text, in its order, up to FINDS_MAX of them.

    Takes linear time. A find says what kind of key it is and shows its first characters, no more.
    """
    finds = _finds(text, FINDS_MAX)[:FINDS_MAX]
    if not finds:
        return []
    starts = [0, *(match.end() for match in _compiled(_LINE_END).finditer(text))]
    secrets = []
    for find in finds:
        line = bisect_right(starts, find.start)
        secrets.append(Secret(line, find.start - starts[line - 1] + 1, find.what))
    return secrets


def secret_problems(data: bytes, *, file: str) -> list[Problem]:
    """Return a complaint for each obvious key in a file; its source line hides the key.

    A binary file has none. Bytes that are not UTF-8 do no harm.
    """
    if b"\0" in data[:BINARY_PROBE_BYTES]:
        return []
    text = data.decode("utf-8", "replace")
    secrets = find_secrets(text)
    if not secrets:
        return []
    lines = _compiled(_LINE_END).split(text)
    hidden = {line: hide_secrets(lines[line - 1]) for line in {one.line for one in secrets}}
    return [
        Problem(
            file=file,
            line=line,
            column=column,
            message=f"this looks like {what}",
            hint=HINT,
            source=hidden[line][:_SOURCE_WIDTH_MAX],
            kind="secret",
        )
        for line, column, what in secrets
    ]


def hide_secrets(text: str) -> str:
    """Return the text with every find cut down to its first characters and "..."."""
    pieces: list[str] = []
    done = 0
    for start, end, _ in _finds(text, None):
        if start >= done:
            pieces += (text[done:start], _shown(text, start, end))
        done = max(done, end)
    return "".join((*pieces, text[done:]))


def _finds(text: str, limit: int | None) -> list[_Find]:
    """Return finds, sorted, none within another: of each rule the first ones up to the limit."""
    found: list[_Find] = []
    every = {find for rule in _RULES for find in islice(_tokens(text, *rule), limit)}
    every.update(islice(_urls(text), limit))
    ends = {find.end for find in every}  # what is known as a token is told as one
    every.update(find for find in islice(_named(text), limit) if find.end not in ends)
    for find in sorted(every, key=lambda one: (one.start, -one.end)):
        if not found or find.end > found[-1].end:
            found.append(find)
    return found


def _tokens(text: str, what: str, word: str, regex: str) -> Iterator[_Find]:
    at = text.find(word)
    while at >= 0:
        match = _compiled(_TOKEN_BEGINS + regex).match(text, at)
        end = match.end() if match else at + 1
        if match and not _compiled(_BLANKED).match(text, at + len(word), end):
            yield _Find(at, end, f"{what} ({_shown(text, at, end)})")
        at = text.find(word, end)


def _urls(text: str) -> Iterator[_Find]:
    at = text.find("://")
    while at >= 0:
        match = _compiled(_URL).match(text, at)
        scheme = _compiled(_SCHEME).search(text, max(0, at - _SCHEME_MAX), at) if match else None
        if match and scheme and not _compiled(_PLACEHOLDER).match(match["password"]):
            start, end = scheme.start(), match.end() - 1
            yield _Find(start, end, f"a password in a URL ({_shown(text, start, end)})")
        at = text.find("://", at + 1)


def _named(text: str) -> Iterator[_Find]:
    lower = text.replace("\u0130", "i").lower()  # the one letter that is two in lower case
    for word in _NAMED_WORDS:
        at = lower.find(word)
        while at >= 0:
            yield from _given(text, at)
            at = lower.find(word, at + len(word))


def _given(text: str, at: int) -> Iterator[_Find]:
    """Yield the find in whose name a word of `_NAMED_WORDS` stands here, if a value follows."""
    anchor = _compiled(_NAMED).match(text, at)
    given = _compiled(_GIVEN).match(text, anchor.end()) if anchor else None
    if anchor and given and not _compiled(_NO_VALUE).match(given["value"]):
        before = _compiled(_NAME_BEFORE).search(text, max(0, anchor.start() - 42), anchor.start())
        start = before.start() if before else anchor.start()
        name = text[start : anchor.end()]
        option = name.startswith("--")
        if given["shell"] == "=":  # `token=name1` in a program gives one name to another
            certain = option or name.isupper() or given["quote"]
        elif given["shell"]:
            certain = option
        else:
            certain = given["quote"] or given["end"] is not None
        if certain:
            yield _Find(start, given.end("value"), f"a secret, the value of {name}")


def _shown(text: str, start: int, end: int) -> str:
    return text[start : min(end, start + SHOWN_CHARACTERS)] + "..."
