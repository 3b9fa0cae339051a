"""First mistakes with a PostgreSQL database: one line each, with what to type."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from sqlalchemy.engine import make_url

from lamella.errors import ConfigError, LamellaError
from lamella.tasks.database import _reason_of
from lamella.tasks.repository import create_repository

from ..cli.conftest import lamella
from .postgres import PostgresServer

ADDRESS = make_url("postgresql+psycopg://ann@db.example:5433/sky")


def refused(root: Path, registry: str, namespace: str | None = None) -> str:
    """Return the message of a refused attempt, which must leave nothing."""
    with pytest.raises(LamellaError) as caught:
        create_repository(root, registry=registry, namespace=namespace)
    assert not root.exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_database_that_is_not_there(postgres: PostgresServer, tmp_path: Path) -> None:
    told = refused(tmp_path / "repo", postgres.address("nowhere"))
    assert f'database "nowhere" does not exist: createdb -h 127.0.0.1 -p {postgres.port} nowhere.' in told


def test_a_user_that_is_not_there(postgres: PostgresServer, tmp_path: Path) -> None:
    address = postgres.address("postgres").replace("lamella@", "ann:secret@")
    told = refused(tmp_path / "repo", address)
    assert f'role "ann" does not exist: createuser -h 127.0.0.1 -p {postgres.port} ann, or' in told
    assert "secret" not in told


def test_a_database_without_the_extension(postgres: PostgresServer, tmp_path: Path) -> None:
    postgres.execute("postgres", "create database bare")
    told = refused(tmp_path / "repo", postgres.address("bare"))
    command = f'psql -h 127.0.0.1 -p {postgres.port} -d bare -c "create extension btree_gist"'
    assert f"lacks the extension btree_gist; its owner types: {command}" in told


def test_a_schema_that_holds_a_repository(postgres: PostgresServer, tmp_path: Path) -> None:
    address = postgres.new_database()
    create_repository(tmp_path / "first", registry=address, namespace="site")
    told = refused(tmp_path / "second", address, "site")
    assert "its schema site holds tables already; give another one: --namespace NAME" in told
    name = address.rpartition("/")[2]
    assert postgres.execute(name, "select count(*) from site.collection") == "2"


def test_a_user_who_may_not_make_tables(postgres: PostgresServer, tmp_path: Path) -> None:
    address = postgres.new_database()
    name = address.rpartition("/")[2]
    postgres.execute(name, "create role guest login")
    try:
        guest = address.replace("lamella@", "guest@")
        told = refused(tmp_path / "repo", guest, "own")
        assert f'-d {name} -c "grant create on database {name} to guest"' in told
        told = refused(tmp_path / "repo", guest)
        assert f'-d {name} -c "grant create, usage on schema public to guest"' in told
    finally:
        postgres.execute(name, "drop role guest")


def test_a_server_that_does_not_answer(tmp_path: Path) -> None:
    told = refused(tmp_path / "repo", "postgresql+psycopg://ann@127.0.0.1:1/sky")
    assert "no database server answers at 127.0.0.1, port 1 (Connection refused)" in told
    told = refused(tmp_path / "repo", "postgresql+psycopg://ann@nowhere.invalid/sky")
    assert "no machine is known by the name nowhere.invalid: look at the host in --registry" in told


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            'connection to server at "db.example", port 5433 failed: FATAL:  password authentication failed '
            'for user "ann"\nconnection to server failed: again',
            'password authentication failed for user "ann": give the password in ~/.pgpass '
            "(db.example:5433:sky:ann:PASSWORD; mode 0600) or in PGPASSWORD",
        ),
        ("fe_sendauth: no password supplied", "no password supplied: give the password in"),
        (
            'FATAL:  no pg_hba.conf entry for host "1.2.3.4", user "ann", database "sky", no encryption',
            'no pg_hba.conf entry for host "1.2.3.4": the server\'s pg_hba.conf must admit this machine',
        ),
        (
            'could not translate host name "db.example" to address: Name or service not known',
            "no machine is known by the name db.example",
        ),
        ("connection failed: timeout expired", "no database server answers at db.example, port 5433"),
        ("FATAL:  the database system is starting up\n", "FATAL: the database system is starting up"),
    ],
)
def test_what_drivers_say_becomes_what_to_do(said: str, expected: str) -> None:
    error: Any = SimpleNamespace(orig=said)
    assert _reason_of(error, ADDRESS).startswith(expected)


def test_a_driver_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    told = refused(tmp_path / "repo", "postgresql+psycopg2://ann@db.example/sky")
    assert (
        "The driver psycopg2 of the database is not installed: pip install 'psycopg2-binary', or use" in told
    )
    assert "--registry postgresql+psycopg://ann@db.example/sky" in told
    monkeypatch.setitem(sys.modules, "psycopg", None)
    told = refused(tmp_path / "repo", "postgresql+psycopg://ann@db.example/sky")
    assert told == "The driver psycopg of the database is not installed: pip install 'psycopg[binary]'."


@pytest.mark.parametrize(
    ("namespace", "proposal"), [("Mine4", "mine4"), ("my-site", "my_site"), ("4", ""), ("pg_mine", "")]
)
def test_names_that_a_schema_cannot_have(namespace: str, proposal: str, tmp_path: Path) -> None:
    told = refused(tmp_path / "repo", "postgresql+psycopg://ann@127.0.0.1:1/sky", namespace)
    assert told.startswith(f"--namespace {namespace} must be lower-case letters")
    assert told.endswith(f": --namespace {proposal}." if proposal else "begin with a letter.")


def test_a_namespace_is_for_a_server(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is for a PostgreSQL database: give --registry"):
        create_repository(tmp_path / "repo", namespace="mine")
    assert not (tmp_path / "repo").exists()


@pytest.mark.parametrize("address", ["postgresql", "postgresql+nothing://ann@host/sky"])
def test_what_is_no_address(address: str, tmp_path: Path) -> None:
    told = refused(tmp_path / "repo", address)
    assert told.startswith(f"{address} is no address of a database; expected postgresql+psycopg://")


def test_the_command_tells_it_in_one_line(tmp_path: Path) -> None:
    address = "postgresql+psycopg://ann@127.0.0.1:1/sky"
    ended = lamella("butler", "create", tmp_path / "repo", "--registry", address)
    assert (ended.status, ended.err.count("\n"), ended.out) == (1, 1, "")
    assert re.match(rf"Error: {re.escape(address)}: cannot be written: no database server", ended.err)
    assert not list(tmp_path.iterdir())
