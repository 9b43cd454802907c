"""Real git repositories for tests, with commits of any shape."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

ENVIRON = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    "GIT_AUTHOR_NAME": "Grace",
    "GIT_AUTHOR_EMAIL": "grace@example.org",
    "GIT_COMMITTER_NAME": "Grace",
    "GIT_COMMITTER_EMAIL": "grace@example.org",
    "GIT_COMMITTER_DATE": "1700000000 +0000",
    "HOME": "/nowhere",
}
# The settings by which a repository may name a program that git starts.
TRAPS = """
    core.fsmonitor core.pager core.editor core.sshCommand core.askPass core.gitProxy
    core.alternateRefsCommand credential.helper gpg.program diff.external diff.x.textconv
    diff.x.command filter.x.clean filter.x.smudge filter.x.process alias.rev-list alias.cat-file
    alias.ls-tree
"""
FLOW = "name: etl\ntasks: {a: {executor: process, command: ./run.sh}}\n"


def set_traps(git: Callable[..., object], folder: Path) -> Path:
    """Let a repository name a program wherever it can, which makes `sprung` in a folder."""
    trap = folder / "trap.sh"
    trap.write_text(f"#!/bin/sh\ntouch {folder}/sprung\ncat\n")
    trap.chmod(0o755)
    for key in TRAPS.split():
        git("config", key, str(trap))
    return trap


class Repository:
    """A repository with a work tree; its commits are a minute apart."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.minutes = 0
        self("init", "-q", "-b", "main", *words)

    def __call__(self, *words: str, feed: bytes | None = None, **environ: str) -> str:
        """Run git there and return what it prints."""
        done = subprocess.run(
            ["git", *words],
            cwd=self.folder,
            env={**ENVIRON, **environ},
            input=feed,
            capture_output=True,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode("utf-8", "replace").strip()

    def write(self, path: str, text: str | bytes, *, executable: bool = False) -> None:
        """Write a file of the work tree."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text if isinstance(text, bytes) else text.encode())
        target.chmod(0o755 if executable else 0o644)

    def commit(self, message: str = "Change", files: dict[str, str] | None = None) -> str:
        """Write files, commit the whole work tree and return the id of the commit."""
        for path, text in (files or {}).items():
            self.write(path, text, executable=path.endswith(".sh"))
        self("add", "-A")
        self.minutes += 1
        date = f"{1_700_000_000 + 60 * self.minutes} +0000"
        self("commit", "-qm", message, "--allow-empty", GIT_AUTHOR_DATE=date)
        return self("rev-parse", "HEAD")

    def raw_commit(self, data: bytes, *, ref: str = "refs/heads/main") -> str:
        """Make a commit of these bytes, whatever they say, and let the branch point at it."""
        oid = self("hash-object", "-t", "commit", "-w", "--stdin", "--literally", feed=data)
        self("update-ref", ref, oid)
        return oid
