"""Git's word on a workflow file: the author's name, the commit, whether the files differ.

Only git commands that read objects and configuration are used: none that run hooks, filters or
transports, because the repository may be anybody's.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from ork.objects.kinds import Origin

GIT_SECONDS_MAX = 10


def author(environ: Mapping[str, str], folder: Path) -> str:
    """Return "Name <email>", or user@host where nothing says it.

    All of it is ORK_AUTHOR. Else each half is ORK_AUTHOR_NAME or _EMAIL, else what git would take:
    GIT_AUTHOR_NAME or _EMAIL, or its configuration.
    """
    if whole := environ.get("ORK_AUTHOR"):
        return whole
    name = environ.get("ORK_AUTHOR_NAME") or environ.get("GIT_AUTHOR_NAME") or ""
    email = environ.get("ORK_AUTHOR_EMAIL") or environ.get("GIT_AUTHOR_EMAIL") or ""
    if not (name and email):
        said = _said_of_user(folder)
        name = name or said.get("user.name", "")
        email = email or (said.get("user.email", "") if name else "")
    if name and email:
        return f"{name} <{email}>"
    return name or email or f"{user(environ)}@{host()}"


def user(environ: Mapping[str, str]) -> str:
    """Return the login name of the user."""
    import pwd

    try:
        return environ.get("USER") or pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def host() -> str:
    """Return the name of this machine."""
    return os.uname().nodename


def origin_of(root: Path, files: Mapping[str, bytes]) -> Origin | None:
    """Return the commit when root lies in a git repository with a commit, else None.

    `files` are the workflow file and the captured files, by path relative to root; dirty means that
    one of them is not in that commit with these bytes.
    """
    if not any((folder / ".git").exists() for folder in (root, *root.parents)):
        return None
    commit = _present(root)
    if not commit:
        return None
    committed: dict[str, str] = {}
    for line in _git(root, "ls-tree", "-r", "-z", "HEAD", ".").split("\0"):
        words, _, path = line.partition("\t")
        committed[path] = words.rpartition(" ")[2]
    dirty = any(committed.get(path) != _git_blob(data) for path, data in files.items())
    return Origin(commit=commit, dirty=dirty)


def common_commit(root: Path, commit: str) -> str:
    """Return the newest commit that this one and the present one of a repository come from, or "".

    It is the present one where that came before, and this one where that is it or comes after it.
    Where only the newest commits are there, as in a shallow clone, it may not be known.
    """
    return _git(root, "merge-base", "--end-of-options", commit, "HEAD").strip()


def later_commit(root: Path, commit: str) -> str:
    """Return the present commit of a repository if it comes after this one, else ""."""
    here = _present(root)
    return here if here != commit == common_commit(root, commit) else ""


def _present(root: Path) -> str:
    return _git(root, "rev-parse", "--verify", "--quiet", "HEAD^{commit}").strip()


def _git_blob(data: bytes) -> str:
    from hashlib import sha1  # which only a repository needs

    return sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _said_of_user(folder: Path) -> dict[str, str]:
    """Return what the configuration says; what it says last counts."""
    said = _git(folder, "config", "-z", "--get-regexp", r"^user\.(name|email)$")
    entries = (entry.partition("\n") for entry in said.split("\0"))
    return {key: value.strip() for key, _, value in entries}


def _git(folder: Path, *words: str) -> str:
    environ = {
        **os.environ,
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_OPTIONAL_LOCKS": "0",
        "LC_ALL": "C",
    }
    try:
        done = subprocess.run(
            ["git", "-c", "core.fsmonitor=false", *words],
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=GIT_SECONDS_MAX,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else ""
