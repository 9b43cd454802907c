"""A store in a bucket of S3, Google or Azure: one to push to, to pull from and to read.

    format, refs, objects/ab/cdef...    as a store in plain files has them (ork.backends.plain)

Objects are put first. The list of the refs then takes the place of the one that was read, if that
is still there: the service compares and puts at once. Nobody can be kept out, so nothing is swept
and no run has an owner here.

Whether a list that was put has arrived, when no answer came, the list tells: it has a token for
each of the newest writes.
"""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, TypeVar
from weakref import WeakSet

from ork.backends.base import Lease, Moves, OneByOne, closed, key_of
from ork.backends.gate import forked
from ork.backends.plain.folder import FORMAT, OBJECTS, REFS, refuse_format
from ork.backends.plain.listing import TITLE, Listing, parsed, text_of
from ork.errors import Corrupt, NotFound, StoreError, UsageError, pip_install
from ork.objects.canonical import Oid

if TYPE_CHECKING:
    from obstore.store import ObjectStore

try:
    import obstore
    from obstore import exceptions
    from obstore.store import from_url
except ImportError as error:
    raise StoreError(
        f"stores in a cloud need the library obstore, which is not here ({error})",
        hint=pip_install("obstore"),
    ) from None

TOGETHER = 16  # requests at a time
TRIES_MAX = 30  # to be the one whose list comes next
WRITERS_MAX = 64  # whose tokens a list has
PAUSE_MAX_S = 0.5  # before the next try, so that two do not meet again
_RETRY: Any = {"max_retries": 5, "retry_timeout": timedelta(seconds=60)}
_CODE = re.compile(r"<Code>(\w+)</Code>")
_KEY = re.compile(rf"{OBJECTS}/([0-9a-f]{{2}})/([0-9a-f]{{62}})")
_FORMAT = "format"

P = ParamSpec("P")
T = TypeVar("T")
V = TypeVar("V")


class _Seen(NamedTuple):
    """A list of refs, and what the service calls this version of it."""

    listing: Listing
    version: Mapping[str, str]


class Cloud(OneByOne):
    """A `Backend` in a bucket; many threads, processes and machines may have it open at once.

    A handle is dead in a forked child, where every use raises StoreError.
    """

    @classmethod
    def exists(cls, url: str) -> bool:
        """Say whether a store is there."""
        return _read(_bucket(url), _FORMAT, url) is not None

    @classmethod
    def create(cls, url: str) -> None:
        """Make an empty store where nothing is yet; of two that do so at once, both succeed."""
        bucket = _bucket(url)
        # The format last: who finds it finds all of the store.
        for key, data in ((REFS, b"".join(text_of(0, (), (), ()))), (_FORMAT, FORMAT)):
            try:
                _explained(url, obstore.put, bucket, key, data, mode="create")
            except exceptions.AlreadyExistsError:
                pass
            except FileNotFoundError:
                raise _no_bucket(url) from None

    @classmethod
    def open(cls, url: str, *, readonly: bool = False, locks: Path | None = None) -> Cloud:
        """Open the store at a URL; raise NotFound when there is none.

        There are no leases, so `locks` counts for nothing.
        """
        return cls(url, readonly)

    def __init__(self, url: str, readonly: bool) -> None:
        self._url = url
        self._readonly = readonly
        self._refusal: StoreError | None = None
        self._seen: _Seen | None = None
        self._fixed = False  # whether the refs are those of one moment
        self._bucket = _bucket(url)
        self._threads = ThreadPoolExecutor(TOGETHER, thread_name_prefix="cloud")
        found = _read(self._bucket, _FORMAT, url)
        if found is None:
            raise NotFound(
                f"there is no store in {url}", hint=f"`ork init --store {quote(url)}` makes one"
            )
        refuse_format(url, found)
        if not self._list().first.startswith(TITLE):
            raise Corrupt(f"{url}/{REFS} is no list of refs", hint="clone the store anew")
        made = _explained(url, obstore.head, self._bucket, _FORMAT)["last_modified"]
        self.epoch = f"{url} {made.isoformat()}"  # one that is made anew has another one
        _handles.add(self)

    def get(self, oid: Oid) -> bytes | None:
        self._check()
        return _read(self._bucket, _key(oid), self._url)

    def get_many(self, oids: Iterable[Oid]) -> dict[Oid, bytes]:
        wanted = list(dict.fromkeys(oids))
        found = zip(wanted, self._each(self.get, wanted), strict=True)
        return {oid: data for oid, data in found if data is not None}

    def ahead(self, oids: Iterable[Oid], after: int) -> tuple[dict[Oid, bytes], int]:
        """Return these objects, and no others: a bucket does not tell what came last."""
        return self.get_many(oids), after

    def oids(self, prefix: str = "") -> Iterator[Oid]:
        self._check()
        folder = f"{OBJECTS}/{prefix[:2]}" if len(prefix) > 1 else OBJECTS
        keys = map(_KEY.fullmatch, _names(self._bucket, folder, self._url))
        oids = sorted(Oid(key[1] + key[2]) for key in keys if key)  # not every service sorts
        return iter([oid for oid in oids if oid.startswith(prefix)])

    def ref(self, name: str) -> Oid | None:
        return self._list().ref(name)

    def refs(
        self, prefix: str = "", *, newest_first: bool = False, below: str | None = None
    ) -> Iterator[tuple[str, Oid]]:
        yield from self._list().refs(prefix, below, backwards=newest_first)

    def survey(self, prefix: str = "") -> Iterator[tuple[str, Oid | None]]:
        yield from self._list().survey(prefix)

    def write(
        self,
        objects: Mapping[Oid, bytes],
        moves: Moves,
        remove: Iterable[Oid] = (),
        needs: Iterable[Oid] = (),
    ) -> bool:
        """Store all objects and move all refs, durably, or move nothing and return False.

        Objects may be there all the same when it was for nothing; no ref needs them then.
        """
        self._check()
        if self._readonly:
            raise StoreError(f"the store {self._url} is open for reading only")
        doomed = sorted(set(remove).difference(objects))
        needed = sorted(set(needs).difference(objects))
        if not self._list().proven().unmoved(moves):
            return False
        if not all(self._each(self._has, needed)):
            return False
        for _ in self._each(lambda item: self._put(*item), objects.items()):
            pass
        steps = {key_of(name): new for name, (old, new) in moves.items() if new != old}
        if (steps or objects or doomed) and not self._move(moves, steps, doomed):
            return False
        if doomed:
            _explained(self._url, obstore.delete, self._bucket, [_key(oid) for oid in doomed])
        return True

    def sweep(self, choose: Callable[[], Iterable[Oid]]) -> int:
        """Raise StoreError: nobody can be kept from writing meanwhile."""
        raise StoreError(
            f"nothing can be removed from {self._url}: nobody can be kept from writing meanwhile",
            hint="`ork clone` it to a new place, which gets what is needed, and remove the old one",
        )

    def sequence(self) -> int:
        return self._list().proven().sequence

    @contextmanager
    def frozen(self) -> Iterator[Cloud]:
        """Give a handle whose refs all are of this moment; it cannot write.

        Objects are those that are there: no ref of that moment needs one that is removed meanwhile,
        but for the records of a run that goes on.
        """
        self._list().proven()
        still = object.__new__(type(self))
        vars(still).update(vars(self), _fixed=True, _readonly=True)
        _handles.add(still)
        yield still

    def lease(self, name: str) -> Lease | None:
        """Raise StoreError: a bucket has no leases."""
        raise StoreError(
            f"a run cannot be owned in {self._url}: a bucket does not tell who is alive",
            hint="run in a store of your own, and from there `ork push` brings what has ended",
        )

    def leased(self) -> set[str]:
        return set()

    def close(self) -> None:
        if not self._fixed:
            self._threads.shutdown()
        self._refusal = self._refusal or closed()

    def _check(self) -> None:
        if self._refusal is not None:
            raise self._refusal

    def _each(self, function: Callable[[V], T], values: Iterable[V]) -> Iterator[T]:
        """Call a function for each of some values, several at a time; in their order."""
        self._check()
        return self._threads.map(function, list(values))

    def _see(self) -> _Seen:
        """Return the list of refs as it is now; it is sent only when it is another one."""
        self._check()
        seen = self._seen
        if not self._fixed or seen is None:
            # As another thread may set it at any moment, only what was just seen is returned.
            seen = _explained(self._url, _look, self._bucket, seen)
            if seen is None:
                raise Corrupt(f"{self._url}/{REFS} is missing", hint="clone the store anew")
            self._seen = seen
        return seen

    def _list(self) -> Listing:
        return self._see().listing

    def _has(self, oid: Oid) -> bool:
        try:
            _explained(self._url, obstore.head, self._bucket, _key(oid))
        except FileNotFoundError:
            return False
        return True

    def _put(self, oid: Oid, data: bytes) -> None:
        self._check()
        _explained(self._url, obstore.put, self._bucket, _key(oid), data)

    def _move(self, moves: Moves, steps: Mapping[bytes, Oid | None], doomed: list[Oid]) -> bool:
        """Put a list with refs moved in the place of the one that is there; False: they moved."""
        token = f"{random.getrandbits(64):016x}"
        for number in range(TRIES_MAX):
            before, version = self._see()
            before.proven()
            if token in before.writers:
                return True  # it was put, and nobody said so
            if not before.unmoved(moves):
                return False
            pieces = text_of(
                before.sequence + 1,
                (),
                doomed,
                before.moved(steps),
                writers=(token, *before.writers)[:WRITERS_MAX],
            )
            try:
                if self._replaced(b"".join(pieces), version):
                    return True
            except StoreError as failed:
                return self._arrived(token, before.sequence, failed)
            time.sleep(random.uniform(0, min(PAUSE_MAX_S, 0.01 * 2**number)))
        raise StoreError(
            f"others were always faster to write to {self._url}; nothing was written",
            hint="try it again",
        )

    def _replaced(self, text: bytes, version: Mapping[str, str]) -> bool:
        """Put a list in the place of a version of it; False: there is another one."""
        mode: Any = dict(version)
        try:
            _explained(
                self._url, obstore.put, self._bucket, REFS, text, mode=mode, use_multipart=False
            )
        except (exceptions.PreconditionError, exceptions.AlreadyExistsError):
            return False
        return True

    def _arrived(self, token: str, start: int, failed: StoreError) -> bool:
        """Say whether a list was put although putting it failed; raise what is known."""
        try:
            listing = self._list().proven()
        except StoreError:
            listing = None
        if listing is not None and token in listing.writers:
            return True
        if listing is not None and listing.sequence - start < WRITERS_MAX:
            raise StoreError(f"nothing was written: {failed.message}", hint=failed.hint) from failed
        raise StoreError(
            f"whether the change was written is not known: {failed.message}",
            hint="look with `ork log` whether it arrived",
        ) from failed


_handles: WeakSet[Cloud] = WeakSet()


def _after_fork() -> None:
    for handle in _handles:
        handle._refusal = forked()


os.register_at_fork(after_in_child=_after_fork)


def _bucket(url: str) -> ObjectStore:
    """Return what reaches the place of a URL; who we are is told by the environment."""
    scheme, _, place = url.partition("://")
    if not place or any(character in place for character in "?#@"):
        raise UsageError(
            f"{scheme}: needs a bucket, and nothing but a path after it",
            hint="such as s3://BUCKET/PATH; credentials are read from the environment",
        )
    return _explained(url, from_url, url, retry_config=_RETRY)


def _key(oid: Oid) -> str:
    digits = bytes.fromhex(oid).hex()
    return f"{OBJECTS}/{digits[:2]}/{digits[2:]}"


def _read(bucket: ObjectStore, key: str, url: str) -> bytes | None:
    try:
        return _explained(url, lambda: bytes(obstore.get(bucket, key).bytes()))
    except FileNotFoundError:
        return None


def _names(bucket: ObjectStore, folder: str, url: str) -> list[str]:
    def names() -> list[str]:
        return [found["path"] for page in obstore.list(bucket, folder) for found in page]

    return _explained(url, names)


def _look(bucket: ObjectStore, seen: _Seen | None) -> _Seen | None:
    """Return the list of the refs as it is now; None when there is none."""
    options: Any = {}
    if seen and (tag := seen.version.get("e_tag")):
        options = {"if_none_match": tag}
    try:
        found = obstore.get(bucket, REFS, options=options)
        data = bytes(found.bytes())
    except exceptions.NotModifiedError:
        return seen
    except FileNotFoundError:
        return None
    first, end, rest = data.partition(b"\n")
    version = {key: value for key in ("e_tag", "version") if (value := found.meta.get(key))}
    return _Seen(parsed(first + end, rest), version)  # type: ignore[arg-type]


def _explained(url: str, function: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
    """Call a function of the library; turn its errors into ours, but those that are answers."""
    try:
        return function(*args, **options)
    except FileNotFoundError as error:
        if _code(error) in ("NoSuchBucket", "ContainerNotFound"):
            raise _no_bucket(url) from None
        raise
    except (
        exceptions.AlreadyExistsError,
        exceptions.PreconditionError,
        exceptions.NotModifiedError,
    ):
        raise
    except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError) as error:
        raise StoreError(
            f"{url} is refused to you ({_words(error)})",
            hint="see to the credentials in the environment, and what they may do there",
        ) from None
    except (exceptions.BaseError, ValueError, OSError) as error:
        raise StoreError(
            f"{url} cannot be used ({_words(error)})",
            hint="see to the network, the region and the address of the service",
        ) from None


def _no_bucket(url: str) -> StoreError:
    name = url.partition("://")[2].partition("/")[0]
    return StoreError(
        f"there is no bucket {name} for {url}", hint="make it with the tools of the service"
    )


def _code(error: Exception) -> str:
    """Return what the service calls an error; nothing where it does not say."""
    found = _CODE.search(str(error))
    return found[1] if found else ""


def _words(error: Exception) -> str:
    """Return an error in few words: what comes from the service may tell who asked, and how."""
    if code := _code(error):
        return code
    text = str(error).partition("\n")[0]
    return re.sub(r"\?\S*", "", text)[-200:].strip()
