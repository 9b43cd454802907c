"""git's own binary, run so that a repository can neither run anything nor lead anywhere else.

Only git's own files decide how git works here: no configuration of the user or the machine counts,
no hook, filter, pager, helper, transport or replaced object. The repository is always named by its
folder, so git looks for none; that its owner may be somebody else is no danger then.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import IO

from ork.errors import NotFound, OrkError, StoreError
from ork.objects.value import Value

ERROR_CHARS_MAX = 500
_NO = (1, 128)  # what git exits with when the answer is no
KEPT_BYTES_MAX = 64 * 1024 * 1024
_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.attributesFile=/dev/null",
    "core.excludesFile=/dev/null",
    "core.pager=cat",
    "gc.auto=0",
    "maintenance.auto=false",
    "submodule.recurse=false",
    # What one import writes stays together, and is found again by the next one.
    "fastimport.unpackLimit=1",
)
_ENVIRON = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_PAGER": "cat",
    "LC_ALL": "C",
    # Who is named in a reflog.
    "GIT_AUTHOR_NAME": "ork",
    "GIT_AUTHOR_EMAIL": "ork",
    "GIT_COMMITTER_NAME": "ork",
    "GIT_COMMITTER_EMAIL": "ork",
}


class Git(Value, frozen=True):
    """One repository: the folder with its objects, and the folder with its files, if any."""

    folder: Path
    work_tree: Path | None = None

    def run(self, *words: str, feed: bytes = b"") -> bytes:
        """Return what a git command prints; raise StoreError with its words when it fails."""
        return self._done(words, feed, (0,))[1]

    def ask(self, *words: str) -> bytes | None:
        """Return what a git command prints, or None when its answer is no."""
        code, out = self._done(words, b"", (0, *_NO))
        return None if code else out

    @property
    def common(self) -> Path:
        """The folder of what all worktrees of the repository share, such as its refs."""
        return _path(self.run("rev-parse", "--git-common-dir"))

    def commit(self, revision: str) -> str | None:
        """Return the id of the commit that git understands by a revision, or None."""
        # What begins with a dash is an option, with a caret all that is no ancestor of a commit.
        if revision.startswith(("-", "^")) or "\0" in revision:
            return None
        found = self.ask("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
        if found is not None and not found.strip():
            raise StoreError("git rev-parse did not answer")
        return found.decode().strip() if found else None

    def talk(
        self, *words: str, stdin: IO[bytes] | None = None
    ) -> AbstractContextManager[subprocess.Popen[bytes]]:
        """Start a git command to talk with; it has ended, and ended well, after the block."""
        return _started(self._words(words), stdin)

    def _without_filters(self) -> Mapping[str, str]:
        """Return the environment in which no filter of this repository is run."""
        listed = self.ask("config", "-z", "--name-only", "--get-regexp", r"^filter\.") or b""
        drivers = {os.fsdecode(key).rpartition(".")[0] for key in listed.split(b"\0") if key}
        settings = [
            (f"{driver}.{kind}", "false" if kind == "required" else "")
            for driver in sorted(drivers)
            for kind in ("clean", "smudge", "process", "required")
        ]
        environ = {"GIT_CONFIG_COUNT": str(len(settings))}
        for number, (key, value) in enumerate(settings):
            environ |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
        return environ

    def _done(
        self, words: tuple[str, ...], feed: bytes, answers: tuple[int, ...]
    ) -> tuple[int, bytes]:
        # Only what reads or writes files of the work tree is given to filters.
        filters = self._without_filters() if words[0] in ("read-tree", "update-index") else {}
        try:
            done = subprocess.run(
                self._words(words),
                env={**_environ(), **filters},
                input=feed,
                capture_output=True,
            )
        except OSError as error:
            raise _not_started(error) from None
        if done.returncode not in answers:  # it was killed, say, which is no answer
            why = _why(done.returncode, done.stderr)
            raise StoreError(f"git {words[0]} failed in {self.folder}: {why}")
        return done.returncode, done.stdout

    def _words(self, words: tuple[str, ...]) -> list[str]:
        settings = [word for setting in _SETTINGS for word in ("-c", setting)]
        tree = [f"--work-tree={self.work_tree}"] if self.work_tree else []
        return ["git", *settings, f"--git-dir={self.folder}", *tree, *words]


class Deaf(Exception):
    """A git that was being told something does not read any more."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        super().__init__()
        self.process = process


def tell(process: subprocess.Popen[bytes], pieces: Iterable[bytes]) -> None:
    """Write to a git command; raise Deaf when it does not read any more."""
    assert process.stdin
    try:
        process.stdin.writelines(pieces)
        process.stdin.flush()
    except BrokenPipeError:
        raise Deaf(process) from None


class Blobs:
    """The objects of a repository, read one after the other; the latest ones are remembered."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._kept: dict[str, bytes] = {}
        self._kept_bytes = 0

    def read(self, name: str, limit: int) -> bytes | None:
        """Return the bytes of an object, None without it; above the limit, perhaps not all."""
        if name not in self._kept:
            data = self._read(name, limit)
            if data is None or len(data) > limit:
                return data
            if self._kept_bytes > KEPT_BYTES_MAX:
                self._kept.clear()
                self._kept_bytes = 0
            self._kept[name] = data
            self._kept_bytes += len(data)
        return self._kept[name]

    def _read(self, name: str, limit: int) -> bytes | None:
        assert self._process.stdout
        tell(self._process, [name.encode() + b"\n"])
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise StoreError("git stopped answering")
        words = line.split()
        if words == [name.encode(), b"missing"]:
            return None
        if len(words) != 3 or not words[2].isdigit():
            raise StoreError("git answered with something else than an object")
        left = int(words[2]) + 1  # with the end of a line
        data = self._process.stdout.read(min(left, limit + 2))
        left -= len(data)
        while left and (piece := self._process.stdout.read(min(left, 1 << 20))):
            left -= len(piece)
        if left:
            raise StoreError("git stopped in the middle of an object")
        return data[: min(int(words[2]), limit + 1)]


@contextmanager
def blobs(git: Git) -> Iterator[Blobs]:
    """Open the objects of a repository for reading."""
    with git.talk("cat-file", "--batch") as process:
        yield Blobs(process)


def make_repository(folder: Path, *, branch: str) -> Git:
    """Make an empty repository in a folder: no template, so no hooks."""
    options = ("--quiet", "--template=", "--object-format=sha1", f"--initial-branch={branch}")
    with _started(["git", "init", *options, "--", str(folder)]):
        pass
    return Git(folder / ".git", folder)


def repository_at(folder: Path) -> Git | None:
    """Return the repository whose top this folder is, with files or bare; None when it is none."""
    if (folder / ".git").exists():
        found = Git(folder / ".git", folder)
    elif (folder / "HEAD").is_file() and (folder / "objects").is_dir():
        found = Git(folder)
    else:
        return None
    at = found.ask("rev-parse", "--absolute-git-dir")
    if at is not None and found.folder.is_file():  # of a worktree or a submodule: it says where
        return Git(_path(at), folder)
    return found if at is not None else None


def _path(answer: bytes) -> Path:
    return Path(os.fsdecode(answer.removesuffix(b"\n")))


def find_repository(folder: Path) -> tuple[Git, str]:
    """Return the repository around a folder, and the folder's path in it: "" or "a/b/"."""
    if not folder.is_dir():
        raise NotFound(f"no folder {folder}")
    real = folder.resolve()
    for above in (real, *real.parents):
        if found := repository_at(above):
            below = real.relative_to(above).as_posix() if found.work_tree else "."
            return found, "" if below == "." else f"{below}/"
    raise NotFound(
        f"{folder} is in no git repository",
        hint="name the folder of one; one on another machine has to be cloned first",
    )


@contextmanager
def _started(words: list[str], stdin: IO[bytes] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    with tempfile.TemporaryFile() as error:
        try:
            process = subprocess.Popen(
                words,
                env=_environ(),
                stdin=stdin or subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=error,
            )
        except OSError as problem:
            raise _not_started(problem) from None
        with process:
            heard = True
            try:
                yield process
            except Deaf as deaf:
                if deaf.process is not process:
                    _stop(process)
                    raise
                heard = False  # why, it says below
            except BaseException:
                _stop(process)
                raise
            if process.stdin:
                try:
                    process.stdin.close()
                except BrokenPipeError:
                    heard = False
            if code := process.wait():
                error.seek(0)
                raise StoreError(f"git failed: {_why(code, error.read())}")
            if not heard:
                raise StoreError("git stopped before it had read everything")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Kill a git that nobody needs any more; what was not sent to it yet goes nowhere."""
    process.kill()
    if process.stdin:
        with suppress(BrokenPipeError):
            process.stdin.close()


def _environ() -> dict[str, str]:
    """Return the environment of this process without what steers git, and with our settings."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    return {**kept, **_ENVIRON}


def _not_started(error: OSError) -> OrkError:
    if isinstance(error, FileNotFoundError):
        hint = "install it: https://git-scm.com"
        return NotFound("git is not installed, or not in PATH", hint=hint)
    return StoreError(f"git cannot be started: {error.strerror}")


def _why(code: int, error: bytes) -> str:
    """Return the first lines of what git complained about, without its own advice."""
    if code < 0:
        return f"it was killed by {signal.Signals(-code).name}"
    lines = [
        line
        for line in error.decode("utf-8", "replace").splitlines()
        if line.strip() and not line.startswith("hint:")
    ]
    return "; ".join(lines)[:ERROR_CHARS_MAX] or "it gave no reason"
