"""The driver of PostgreSQL, imported when a store there is used; or how to get it."""

from __future__ import annotations

from ork.errors import StoreError, pip_install

try:
    import psycopg
except ImportError as error:
    raise StoreError(
        f"stores in PostgreSQL need the driver psycopg, which is not here ({error})",
        hint=pip_install("psycopg[binary]"),
    ) from None

__all__ = ["psycopg"]
