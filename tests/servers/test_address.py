"""Where a store lies: what the driver is told, and what people see of it."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

import pytest

from ork.errors import OrkError, UsageError
from ork.servers.postgresql import Postgresql
from ork.servers.session import Address
from tests.postgres import PASSWORD, USER, Running

COLON = ":"  # so that no line here looks like one with a password


@pytest.mark.parametrize(
    ("url", "schema", "shown"),
    [
        ("postgresql://h/db", "ork", "postgresql://h/db"),
        ("postgres:///?service=team&schema=etl", "etl", "postgres:///?service=team&schema=etl"),
        ("postgresql://ann@h:1/db?schema=a_1", "a_1", "postgresql://ann@h:1/db?schema=a_1"),
        (f"postgresql://ann{COLON}secret@h/db", "ork", "postgresql://ann@h/db"),
        (f"postgresql://ann{COLON}sec%2Fret@h/db", "ork", "postgresql://ann@h/db"),
        ("postgresql://[::1]:5/db", "ork", "postgresql://[::1]:5/db"),
        ("postgresql://a:1,b:2/db", "ork", "postgresql://a:1,b:2/db"),
        ("postgresql:///db?host=/run&password=secret", "ork", "postgresql:///db?host=/run"),
        ("postgresql://h/?password=secret", "ork", "postgresql://h/"),
    ],
)
def test_what_is_shown_has_no_password(url: str, schema: str, shown: str) -> None:
    address = Address(url)
    assert (address.schema, address.shown) == (schema, shown)
    assert "secret" not in repr(address)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:secret/x@h/db",
        f"postgresql://ann{COLON}secret@x@h/db",
        "postgresql://ann:secret?x@h/db",
        f"postgresql://ann{COLON}secret:x@h/db",
        f"postgresql://ann{COLON}secret%zz@h/db",
        f"postgresql://ann{COLON}p@secret/sec:ret?#secret@h/db?schema=etl",
        f"postgresql:ann{COLON}secret@h/db",
        f"postgresql://ann{COLON}secret@h/db?schema=Etl",
        f"postgresql://ann{COLON}secret@h/db?schema=pg_mine",
        f"postgresql://ann{COLON}secret@h/db?schema=",
        f"postgresql://ann{COLON}secret@h/db?schema=1",
        f"postgresql://ann{COLON}secret@h/db?schema={'a' * 64}",
        f"postgresql://ann{COLON}secret@h/db?pasword=secret",
        'postgresql://h/db?schema=a"b',
    ],
)
def test_what_is_no_address_is_refused_and_no_password_told(url: str) -> None:
    with pytest.raises(UsageError) as refused:
        Address(url)
    assert "secret" not in f"{refused.value.message} {refused.value.hint}"


def test_an_option_that_is_mistyped_is_named() -> None:
    with pytest.raises(UsageError) as refused:
        Address("postgresql://h/db?schem=etl")
    assert refused.value.hint == "there is no option 'schem': did you mean schema?"


def test_passwords_are_found_where_the_driver_looks(
    postgres: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres.tcp_url()
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in [name for name in os.environ if name.startswith("PG")]:
        monkeypatch.delenv(name)
    with pytest.raises(OrkError, match="no password supplied"):
        Postgresql.create(url)
    monkeypatch.setenv("PGPASSWORD", "open sesame/")
    with pytest.raises(OrkError, match="password authentication failed") as refused:
        Postgresql.create(url)
    assert "sesame" not in refused.value.message
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    Postgresql.create(url)
    monkeypatch.delenv("PGPASSWORD")

    kept = tmp_path / "pgpass"
    kept.write_text(f"*:*:*:{USER}:{PASSWORD}\n")
    kept.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(kept))
    Postgresql.open(url).close()
    monkeypatch.delenv("PGPASSFILE")

    services = tmp_path / "services"
    services.write_text(
        f"[team]\nhost=127.0.0.1\nport={postgres.port}\ndbname=postgres\nuser={USER}\n"
        f"password={PASSWORD}\n"
    )
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    Postgresql.open(f"postgresql:///?service=team&schema={url.rpartition('=')[2]}").close()
    Postgresql.open(url.replace(f"{USER}@", f"{USER}:{quote(PASSWORD, safe='')}@")).close()
