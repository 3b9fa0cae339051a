"""A PostgreSQL database for a repository: looked at first, and as it was after a failure."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import sqlalchemy
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from ..errors import ConfigError, OutputError

__all__ = ("check_namespace", "emptied_on_failure")

_NAME = re.compile(r"(?!pg_)[a-z_][a-z0-9_]{0,62}")
_DRIVERS = {"psycopg2": "psycopg2-binary", "psycopg": "psycopg[binary]"}
"""Names under which the drivers of PostgreSQL are installed."""


def check_namespace(namespace: str | None, registry: str | None) -> None:
    """Check the name of a schema.

    Parameters
    ----------
    namespace
        The name; `None` for that of the database's default.
    registry
        Address of the database; `None` for an SQLite file.

    Raises
    ------
    ConfigError
        Raised when a schema cannot have this name, or there are none.
    """
    if namespace is None:
        return
    if registry is None or not registry.startswith("postgresql"):
        reason = "is for a PostgreSQL database: give --registry postgresql+psycopg://USER@HOST/NAME, too."
        raise ConfigError(f"--namespace {namespace} {reason}", option="namespace", found=namespace)
    if not _NAME.fullmatch(namespace):
        proposal = re.sub(r"[^a-z0-9_]", "_", namespace.lower())
        reason = "must be lower-case letters, digits and _, and begin with a letter"
        hint = f": --namespace {proposal}" if _NAME.fullmatch(proposal) else ""
        raise ConfigError(f"--namespace {namespace} {reason}{hint}.", option="namespace", found=namespace)


@contextlib.contextmanager
def emptied_on_failure(registry: str | None, namespace: str | None) -> Iterator[None]:
    """Check that a database can hold a new repository; when the block raises, leave the database as it was.

    Parameters
    ----------
    registry
        Address of the database; those that are not of PostgreSQL pass.
    namespace
        The schema; by default the first of the user's search path.

    Raises
    ------
    ConfigError
        Raised when the address is none, or its driver is not installed.
    OutputError
        Raised when the database cannot be reached, lacks what a Butler needs,
        or holds something already.  The message says what to type.
    """
    if registry is None or not registry.startswith("postgresql"):
        yield
        return
    engine = _engine(registry)
    try:
        with _connected(engine) as connection:
            schema, exists = _check(connection, engine.url, namespace)
        try:
            yield
        except BaseException:
            with contextlib.suppress(DBAPIError), engine.begin() as connection:
                _empty(connection, schema, drop=not exists)
            raise
    finally:
        engine.dispose()


def _engine(registry: str) -> sqlalchemy.Engine:
    try:
        return sqlalchemy.create_engine(make_url(registry))
    except (ArgumentError, NoSuchModuleError) as err:
        message = f"{registry} is no address of a database; expected postgresql+psycopg://USER@HOST/NAME."
        raise ConfigError(message, option="registry", found=registry) from err
    except ModuleNotFoundError as err:
        driver = err.name or ""
        others = [name for name in _DRIVERS if name != driver and _is_installed(name)]
        remedy = f"pip install '{_DRIVERS.get(driver, driver)}'"
        if others:
            url = make_url(registry).set(drivername=f"postgresql+{others[0]}")
            remedy += f", or use the driver that is there: --registry {url.render_as_string()}"
        message = f"The driver {driver} of the database is not installed: {remedy}."
        raise ConfigError(message, option="registry", found=driver) from err


def _is_installed(driver: str) -> bool:
    with contextlib.suppress(ModuleNotFoundError):
        __import__(driver)
        return True
    return False


@contextlib.contextmanager
def _connected(engine: sqlalchemy.Engine) -> Iterator[Connection]:
    try:
        connection = engine.connect()
    except DBAPIError as err:
        raise _refusal(engine.url, _reason_of(err, engine.url)) from err
    with connection:
        yield connection


def _refusal(url: URL, reason: str) -> OutputError:
    return OutputError(url.render_as_string(hide_password=True), reason=reason)


def _reason_of(err: DBAPIError, url: URL) -> str:
    """Return the first line of what a driver says, and what to type."""
    # psycopg tells all attempts, psycopg2 one on a line.
    said = " ".join(str(err.orig).split())
    for pattern, remedy in _REMEDIES.items():
        if match := re.search(pattern, said):
            server = _server_options(url)
            values = {"host": url.host or "localhost", "port": url.port or 5432, "server": server}
            return remedy.format(**values, name=url.database, user=url.username, said=match.group())
    return said.removesuffix(".")


_REMEDIES = {
    r'database "[^"]*" does not exist': "{said}: createdb{server} {name}",
    r'role "[^"]*" does not exist': "{said}: createuser{server} {user}, or name another user "
    "in the address, postgresql+psycopg://USER@HOST/NAME",
    r'password authentication failed for user "[^"]*"|no password supplied': "{said}: give the password "
    "in ~/.pgpass ({host}:{port}:{name}:{user}:PASSWORD; mode 0600) or in PGPASSWORD",
    r"no pg_hba.conf entry[^,]*": "{said}: the server's pg_hba.conf must admit this machine and user",
    r"failed to resolve host|could not translate host name|Name or service not known|getaddrinfo failed": (
        "no machine is known by the name {host}: look at the host in --registry"
    ),
    r"Connection refused|Connection timed out|timeout expired|No route to host|Network is unreachable": (
        "no database server answers at {host}, port {port} ({said}): look at host and port in --registry"
    ),
}
"""What drivers say in one of its spellings, and what to do about it."""


def _server_options(url: URL) -> str:
    """Return the options by which the programs of PostgreSQL reach a server."""
    host = f" -h {url.host}" if url.host else ""
    return host + (f" -p {url.port}" if url.port else "")


def _check(connection: Connection, url: URL, namespace: str | None) -> tuple[str, bool]:
    """Return the schema, and whether it exists; raise what keeps a repository from being made in it."""

    def ask(query: str, **values: object) -> object:
        return connection.execute(sqlalchemy.text(query), values).scalar()

    psql = f'psql{_server_options(url)} -d {url.database} -c "{{}}"'
    if not ask("select count(*) from pg_extension where extname = 'btree_gist'"):
        statement = psql.format("create extension btree_gist")
        reason = f"the database lacks the extension btree_gist; its owner types: {statement}"
        raise _refusal(url, reason)
    schema = str(namespace or ask("select current_schema()") or "public")
    exists = bool(ask("select count(*) from pg_namespace where nspname = :schema", schema=schema))
    if exists and sqlalchemy.inspect(connection).get_table_names(schema=schema):
        reason = f"its schema {schema} holds tables already; give another one: --namespace NAME"
        raise _refusal(url, reason)
    if exists:
        allowed = ask("select has_schema_privilege(:schema, 'create')", schema=schema)
        statement = f"grant create, usage on schema {schema} to {url.username}"
    else:
        allowed = ask("select has_database_privilege(current_database(), 'create')")
        statement = f"grant create on database {url.database} to {url.username}"
    if not allowed:
        reason = f"{url.username} may not make tables there; its owner types: {psql.format(statement)}"
        raise _refusal(url, reason)
    return schema, exists


def _empty(connection: Connection, schema: str, *, drop: bool) -> None:
    """Remove all tables of a schema that had none, and the schema itself if it was not there."""
    quote = connection.dialect.identifier_preparer.quote
    if drop:
        connection.execute(sqlalchemy.text(f"drop schema if exists {quote(schema)} cascade"))
        return
    for name in sqlalchemy.inspect(connection).get_table_names(schema=schema):
        connection.execute(sqlalchemy.text(f"drop table {quote(schema)}.{quote(name)} cascade"))
