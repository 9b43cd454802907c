"""What the URL of a store says: which class of backends keeps its data, and where they lie."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from ork.backends.base import Backend, Remain, Room
from ork.errors import UsageError
from ork.objects.value import Value

BACKENDS = {
    "lmdb": "ork.backends.lmdb:Lmdb",
    "sqlite": "ork.backends.sqlite:Sqlite",
    "files": "ork.backends.plain.files:Files",
}
MEMORY = "memory"
DISTANT = {
    **dict.fromkeys(("postgresql", "postgres"), "ork.servers.postgresql:Postgresql"),
    **dict.fromkeys(("s3", "gs", "az"), "ork.servers.cloud:Cloud"),
}
ELSEWHERE = {**BACKENDS, MEMORY: "ork.backends.memory:Memory", **DISTANT}  # how URLs may begin
CACHED = "ork.servers.cache:Cached"  # of a backend that is distant, in a folder
# What says of a place on a server which parts of a store it lacks.
CHECKED = dict.fromkeys(("postgresql", "postgres"), "ork.servers.postgresql:lacking")
# What opens the stores of a kind, of the environment: no task needs it.
KEYS = dict.fromkeys(("postgresql", "postgres"), ("PGPASSWORD",))
DEFAULT = "lmdb"
CLASS_HINT = "docs/stores.md says what such a class must have"
_URL = r"(?s)((?:[\w.-]+@)?[A-Za-z][A-Za-z0-9.+-]*):(.*)"  # or HOST:PATH, as scp has it
_CLASS = r"(?s)([A-Za-z_]\w*(?:\.\w+)+:[A-Za-z_]\w*)(?::(.*))?"
# After a colon comes a port or a password; that one may have any character that it should not.
_PASSWORD = r"(?s)(?<=//)([^/@:?]*):(?!\d+(?:[/?,]|$)).*@"
_PASSWORDS = "(?<=[?&])(?:ssl)?password=[^&]*&?"


class Address(Value, frozen=True, kw_only=True):
    """What a URL says: a class of backends, by its name, and where the data of one lie."""

    scheme: str
    at: Path | str

    def __str__(self) -> str:
        """Return the URL, without a password."""
        text = str(self.at)
        return public(text if text.startswith(f"{self.scheme}:") else f"{self.scheme}:{text}")

    @property
    def is_inside(self) -> bool:
        """Whether it means the data in the folder of a store: it names no place."""
        return self.scheme in BACKENDS and self.at == ""


def is_url(text: str) -> bool:
    """Say whether a text that names a store is a URL; else it is a path."""
    return bool(re.fullmatch(_URL, text) or re.fullmatch(_CLASS, text))


def public(text: str) -> str:
    """Return a text, perhaps a URL, without the password in it."""
    without = re.sub(_PASSWORDS, "", re.sub(_PASSWORD, r"\1@", text))
    return text if without == text else without.rstrip("?&")


def parse_url(url: str, *, base: Path) -> Address:
    """Return what a URL says; a path in it is relative to `base`. Raise UsageError for any other.

    `sqlite:` alone means the data in `.ork`, and so its `at` is "".
    """
    if found := re.fullmatch(_CLASS, url):
        return Address(scheme=found[1], at=found[2] or "")
    found = re.fullmatch(_URL, url)
    if not found or found[1] not in ELSEWHERE:
        known = ", ".join(f"{one}:" for one in ELSEWHERE)
        raise UsageError(
            f"{public(url)!r} is no kind of store",
            hint=f"a URL begins with one of {known}; a path that looks like one with ./;"
            " over ssh goes a bundle",
        )
    scheme, rest = found.groups()
    if scheme not in BACKENDS:
        return Address(scheme=scheme, at=url)
    if rest.startswith("//") and not rest.startswith("///"):
        raise UsageError(f"{url!r} names a host", hint=f"{scheme}:PATH, or {scheme}:///PATH")
    at = Path(os.path.normpath(base / rest)) if rest else ""
    return Address(scheme=scheme, at=at)


class Kind(Protocol):
    """A class of backends, imported when it is needed; `at` is where the data of one lie."""

    def exists(self, at: Any) -> bool:
        """Say whether something is there."""

    def create(self, at: Any) -> None:
        """Make an empty one where nothing is yet."""

    def open(self, at: Any, *, readonly: bool = False, locks: Path | None = None) -> Backend:
        """Open the one that is there; `locks` is the folder for leases, where they are files.

        Raise StoreError; or, if `at` is text and nothing is there, NotFound.
        """


class OnDisk(Kind, Protocol):
    """A class of backends whose data are a file or a folder on a disk of this machine.

    What is promised here none of them says again; only what it promises besides.
    """

    INSIDE: str  # the name of the data below `.ork/db`; nothing when they are that folder

    def files(self, at: Path) -> tuple[Path, ...]:
        """Return the files of one, first that of its data."""

    def problems(self, at: Path, *, every_page: bool) -> list[str]:
        """Say what is wrong with the files, without opening them as a store."""

    def remains(self, at: Path) -> Iterator[Remain]:
        """Yield what is left of refs and objects, without trusting the files."""

    def written(self, at: Path) -> int | None:
        """Return the number of the newest write; None where the files do not tell."""

    def room(self, at: Path) -> Room:
        """Return how much room the files take, and how much of that is used."""

    def check_closed(self, at: Path) -> None:
        """Raise StoreError while any process has this one open."""

    def swap(self, at: Path, new: Path, *, keep: Path, sequence: int | None = None) -> None:
        """Put a new one into the place of this one, whose data are kept under another name.

        Raise StoreError when that was not done. The names are not safe on the disk yet.
        """


def on_disk_class(scheme: str) -> OnDisk:
    """Return the class of backends that keep data of this kind on a disk."""
    kind: OnDisk = imported(BACKENDS[scheme])
    return kind


def class_of(scheme: str) -> Kind:
    """Return the class of a scheme, or the one that a URL names; raise UsageError for another."""
    kind: Kind = imported(ELSEWHERE.get(scheme, scheme))
    if missing := [name for name in ("exists", "create", "open") if not hasattr(kind, name)]:
        raise UsageError(f"{scheme} is no backend: it has no {missing[0]}", hint=CLASS_HINT)
    return kind


def imported(place: str) -> Any:
    """Return what a module has by a name, given both as `package.module:name`."""
    module, _, name = place.partition(":")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        if place in ELSEWHERE.values():
            raise
        raise UsageError(f"no class {place}: {error}", hint=CLASS_HINT) from None
