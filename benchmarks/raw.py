"""LMDB and BLAKE3 called directly with the bytes that ork keeps: what storing costs at least."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import lmdb
from blake3 import blake3
from measure import timed


class Raw:
    """The same bytes, put under their hashes into new environments, and read with a check."""

    def __init__(self, folder: Path, data: Sequence[bytes]) -> None:
        self._folder, self._data = folder, data
        self._count = 0
        self._keys: list[bytes] = []
        self._environment = self._new()

    def put(self) -> float:
        """Return the seconds that one write of all the bytes takes, in a new environment."""
        self.close()
        self._environment = environment = self._new()

        def put() -> None:
            keys = []
            with environment.begin(write=True) as txn:
                for data in self._data:
                    key = blake3(data).digest()
                    txn.put(key, data)
                    keys.append(key)
            self._keys = keys

        return timed(put)

    def get(self) -> float:
        """Return the seconds that it takes to read and check what was put, each by itself."""
        environment = self._environment

        def get() -> None:
            for key in self._keys:
                with environment.begin() as txn:
                    data = txn.get(key)
                assert data is not None and blake3(data).digest() == key

        return timed(get)

    def close(self) -> None:
        """Give the environment back."""
        self._environment.close()

    def _new(self) -> lmdb.Environment:
        self._count += 1
        path = self._folder / f"raw-{self._count}"
        path.mkdir(parents=True)
        return lmdb.open(str(path), map_size=64 << 30, max_readers=1024)
