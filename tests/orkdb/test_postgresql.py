"""The same rows on a server of PostgreSQL give the same deploys and runs."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from ork.backends.memory import Memory
from ork.errors import InvalidInput, StoreError, UsageError
from ork.orkdb.database import open_database, rows
from ork.store.resolve import history
from ork.store.runs import runs
from ork.store.store import Store
from tests.orkdb.databases import FIRST, Original, fill
from tests.postgres import PASSWORD, Running, new_schema


def connected(postgres: Running, schema: str) -> psycopg.Connection[object]:
    url = postgres.url(schema=schema).partition("&schema")[0]
    connection = psycopg.connect(url, autocommit=True)
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}".encode())
    connection.execute(f"SET search_path = {schema}".encode())
    return connection


@pytest.fixture
def schema() -> str:
    return new_schema()


@pytest.fixture
def there(postgres: Running, schema: str) -> Iterator[Original]:
    """An empty database of the original on the server."""
    made = Original(connected(postgres, schema), server=True)
    yield made
    made.close()


@pytest.mark.slow
def test_both_kinds_of_database_give_the_same(original, there, postgres, schema, take, store):
    for one in (original, there):
        fill(one)
    take()
    other = Store(Memory())
    done = take(postgres.url(schema=schema), into=other)
    assert "My Flow (prod)" in {one.workflow for one in done.left_out}
    for workflow in ("etl", "My_Flow_prod"):
        mine, theirs = (list(history(one, workflow)) for one in (store, other))
        assert [oid for oid, _ in mine] == [oid for oid, _ in theirs]
    mine, theirs = ([one.run for one in runs(side)] for side in (store, other))
    assert [(r.id[:19], r.state, r.number, r.seconds) for r in mine] == [
        (r.id[:19], r.state, r.number, r.seconds) for r in theirs
    ]


def test_before_snapshots_there_is_a_chain_as_well(postgres, schema, take, store):
    made = Original(connected(postgres, schema), snapshots=False, server=True)
    etl = made.workflow("etl")
    made.deploy(etl, FIRST, "2026-01-02T01:00:00.000Z")
    made.run(etl, FIRST, "2026-01-05T03:00:00.000Z")
    url = postgres.url(schema=schema)
    assert take(url).workflows[0].runs == 1
    assert take(url).workflows[0].runs == 0
    made.close()


def test_what_is_written_meanwhile_is_not_seen(there, postgres, schema):
    there.workflow("etl")
    database = open_database(postgres.url(schema=schema))
    there.workflow("later")
    assert [row["name"] for row in rows(database, "workflows")] == ["etl"]
    database.close()


def test_a_schema_without_tables_is_told(there, postgres):
    with pytest.raises(InvalidInput, match="no database of the original ork") as caught:
        open_database(postgres.url())
    assert "?schema=NAME" in str(caught.value.hint)


def test_a_server_that_stops_is_told(there, postgres, schema):
    there.workflow("etl")
    database = open_database(postgres.url(schema=schema))
    there.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE pid <> pg_backend_pid() AND state = 'idle in transaction'"
    )
    with pytest.raises(StoreError, match="cannot be read"):
        list(rows(database, "workflows"))
    database.close()


@pytest.mark.parametrize("password", ["open-sesame", PASSWORD, "a:b", "a@b", "a?b", "a#b"])
def test_a_password_is_never_shown(password):
    with pytest.raises((StoreError, UsageError)) as caught:
        open_database(f"postgresql://ann:{password}@127.0.0.1:1/db")
    shown = f"{caught.value} {caught.value.hint}"
    assert "postgresql://ann@127.0.0.1:1/db cannot be reached" in shown or "PGPASSWORD" in shown
    assert not any(part in shown for part in ("sesame", "a:b", "a@b", "a?b", "a#b", "b@"))


@pytest.mark.slow
def test_one_server_may_have_both(there, postgres, schema, ork):
    fill(there)
    store, database = postgres.url(), postgres.url(schema=schema)
    assert ork("--store", store, "init").code == 0
    assert ork("--store", store, "import", "ork-db", database).code == 0
    assert "stderr: no rows" in ork("--store", store, "logs", "etl#2").out
    again = ork("--store", store, "import", "ork-db", database)
    assert "nothing new" in again.out
    assert ork("--store", store, "fsck").code == 0
