"""SQL against a PostgreSQL of its own over TCP and TLS: what reads, what may not write, caps, and who is let in."""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
import re
import socket
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from django.db import connection as own_connection

from automate_authoring.definitions import yaml_files
from automate_connectors.adapters.base import ConnectorError
from automate_connectors.adapters.sql import SqlConnector
from automate_connectors.context import Context
from automate_core.definition.document import DefinitionError
from automate_core.engine import program
from automate_core.expressions.json_path import TemplateError
from automate_site.embedded_postgres import temporary_cluster
from automate_testing.contracts import PollContractTest, PollSource
from automate_testing.contracts.calls import make_instance
from tests.connectors.conftest import real_context
from tests.support.certificates import Authority
from tests.support.relay import Relay

database = SqlConnector()
pytestmark = pytest.mark.django_db

SETUP = """
CREATE TABLE orders (id int PRIMARY KEY, item text, price numeric(10, 2), paid boolean, tags text[], data jsonb,
    at timestamptz);
INSERT INTO orders SELECT n, 'item ' || n, n * 1.10, n % 2 = 0, ARRAY['a', 'b'], '{"n": 1}', '2026-01-02 03:04:05+00'
    FROM generate_series(1, 5000) AS n;
CREATE ROLE reader LOGIN PASSWORD 's3cret-of-reader';
GRANT SELECT ON orders TO reader;
CREATE ROLE writer LOGIN PASSWORD 's3cret-of-writer';
GRANT SELECT, INSERT, UPDATE, DELETE ON orders TO writer;
CREATE ROLE filer LOGIN PASSWORD 's3cret-of-filer' IN ROLE pg_read_server_files;
CREATE ROLE heir LOGIN NOINHERIT PASSWORD 's3cret-of-heir' IN ROLE automate;
CREATE ROLE masked LOGIN PASSWORD 's3cret-of-masked' IN ROLE filer, reader;
ALTER ROLE masked SET role = 'reader';
"""


@dataclasses.dataclass(frozen=True)
class Elsewhere:
    """The other database: the way to it by TCP, its own superuser's URL, the authority of its certificate."""

    relay: Relay
    url: str
    authority: str


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    cluster = temporary_cluster()
    cluster.start()
    authority = Authority()
    relay = Relay(str(cluster.socket_folder), authority.files(tmp_path_factory.mktemp("sql"), "db.test", "127.0.0.1"))
    try:
        hba = cluster.home / "data" / "pg_hba.conf"
        hba.write_text("local all reader,writer,filer,heir,masked scram-sha-256\n" + hba.read_text())
        with psycopg.connect(cluster.url, autocommit=True) as superuser:
            for statement in SETUP.strip().split(";\n"):
                superuser.execute(statement.encode())
            superuser.execute("SELECT pg_reload_conf()")
        yield Elsewhere(relay, cluster.url, authority.pem)
    finally:
        relay.close()
        cluster.destroy()


@pytest.fixture
def connection(elsewhere, settings, monkeypatch):
    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *rest, **named: real("127.0.0.1" if str(host).endswith(".test") else host, *rest, **named),
    )
    port = elsewhere.relay.port
    settings.AUTOMATE_EGRESS_ALLOW = [f"{name}:{port}" for name in ("db.test", "other.test", "127.0.0.1")]

    def make(role="reader", **change):
        return {
            "host": "db.test", "port": port, "database": "automate", "username": role, "password": f"s3cret-of-{role}",
            "authorities": elsewhere.authority, "tls": "verify-full", **change,
        }  # fmt: skip

    return make


def refused(call, action, params, connection, **more):
    with pytest.raises(ConnectorError) as caught:
        call(database, action, params, connection, **more)
    assert "s3cret" not in f"{caught.value} {caught.value.details}"
    return caught.value


# --- reading ----------------------------------------------------------------------------------------------------------


@pytest.mark.extended
def test_rows(call, connection):
    output = call(
        database,
        "query",
        {
            "sql": "SELECT id, item, price, paid, tags, data, at FROM orders WHERE id = ANY(%(ids)s) ORDER BY id",
            "parameters": {"ids": [1, 2]},
        },
        connection(),
    )
    assert output["columns"] == ["id", "item", "price", "paid", "tags", "data", "at"] and not output["truncated"]
    assert output["rows"][0] == {
        "id": 1, "item": "item 1", "price": "1.10", "paid": False, "tags": ["a", "b"], "data": {"n": 1},
        "at": "2026-01-02T03:04:05+00:00",
    }  # fmt: skip
    assert len(output["rows"]) == 2


@pytest.mark.extended
def test_kinds_of_values(call, connection):
    statement = """
    SELECT 'NaN'::float8 AS nan, 1.5::float8 AS f, NULL AS nothing, '\\x00ff'::bytea AS b, interval '90 min' AS span,
    date '2026-01-02' AS day, 'a3bb189e-8bf9-3888-9912-ace4e6543002'::uuid AS id, '10.0.0.0/8'::cidr AS net,
    int4range(1, 5) AS range, ARRAY[[1, 2], [3, 4]] AS grid, 9007199254740993 AS big
    """
    [row] = call(database, "query", {"sql": statement}, connection())["rows"]
    assert row["nan"] == "nan" and row["f"] == 1.5 and row["nothing"] is None and row["b"] == "AP8="
    assert row["span"] == 5400 and row["day"] == "2026-01-02" and row["net"] == "10.0.0.0/8"
    assert row["id"] == "a3bb189e-8bf9-3888-9912-ace4e6543002" and row["grid"] == [[1, 2], [3, 4]]
    assert row["big"] == 9007199254740993 and row["range"] == "[1, 5)"


def test_values_are_bound_never_pasted(call, connection):
    for value in ("'; DROP TABLE orders; --", "x' OR '1'='1", "%s", {"a": "' OR true"}, None, "ünï\\", 7):
        params = {"sql": "SELECT %(v)s AS v", "parameters": {"v": value}}
        assert call(database, "query", params, connection())["rows"] == [{"v": value}]
    params = {"sql": "SELECT count(*) AS n FROM orders WHERE item LIKE 'item 1%'"}
    assert call(database, "query", params, connection())["rows"][0]["n"] > 0


def test_rows_and_bytes_have_caps(call, connection):
    output = call(database, "query", {"sql": "SELECT id FROM orders ORDER BY id", "max_rows": 150}, connection())
    assert len(output["rows"]) == 150 and output["truncated"]
    output = call(database, "query", {"sql": "SELECT id FROM orders LIMIT 150", "max_rows": 150}, connection())
    assert len(output["rows"]) == 150 and not output["truncated"]
    output = call(database, "query", {"sql": "SELECT repeat('x', 100000) AS x FROM orders"}, connection())
    assert len(output["rows"]) == 19 and output["truncated"]
    sizes = "SELECT repeat('x', CASE WHEN n < 300 THEN 10 ELSE 30000 END) AS x FROM generate_series(1, 9000) AS n"
    output = call(database, "query", {"sql": sizes}, connection())
    assert 300 < len(output["rows"]) < 400 and output["truncated"]
    assert refused(call, "query", {"sql": "SELECT 1", "max_rows": 10_001}, connection()).code == "invalid_input"


def _peak(work):
    """By how many bytes this process grew at most, meanwhile."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak is what there is now
    before = _status("VmRSS")
    work()
    return _status("VmHWM") - before


def _status(name):
    return int(re.search(rf"^{name}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)[1]) * 1_024


@pytest.mark.extended
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("action", ["query", "execute"])
def test_an_answer_is_not_held_beyond_its_cap(call, connection, action):
    statement = "SELECT repeat('x', %(size)s) AS x" + (" FROM orders WHERE id = 1" if action == "query" else "")
    huge = {"sql": statement, "parameters": {"size": 200_000_000}}
    role = connection("writer", writable=True, statement_seconds=60)

    def ask():
        error = refused(call, action, huge, role)
        assert error.code == "response_too_large" and "16,000,000 bytes. Select fewer rows" in error.message

    assert _peak(ask) < 100_000_000
    assert call(database, action, {**huge, "parameters": {"size": 3}}, role)["rows"] == [{"x": "xxx"}]


# --- what it will not do ----------------------------------------------------------------------------------------------

WRITES = [
    "INSERT INTO orders (id) VALUES (0)",
    "DELETE FROM orders",
    "UPDATE orders SET item = 'x' RETURNING id",
    "WITH gone AS (DELETE FROM orders RETURNING id) SELECT * FROM gone",
    "SELECT 1; DELETE FROM orders",
    "SELECT id FROM orders FOR UPDATE",
    "SELECT id INTO copied FROM orders",
    "COPY orders TO PROGRAM 'id'",
    "COMMIT",
    "SET TRANSACTION READ WRITE",
    "DO $$ BEGIN DELETE FROM orders; END $$",
    "DROP TABLE orders",
    "SELECT set_config('transaction_read_only', 'off', false)",
    "CREATE TEMP TABLE t (id int)",
    "BEGIN; DELETE FROM orders; COMMIT",
    "EXPLAIN ANALYZE DELETE FROM orders",
    "",
    "-- nothing",
]


@pytest.mark.matrix
@pytest.mark.parametrize("statement", WRITES)
def test_a_query_changes_nothing(call, connection, elsewhere, statement):
    error = refused(call, "query", {"sql": statement}, connection("writer", writable=True))
    assert not error.retryable
    with psycopg.connect(elsewhere.url) as superuser:
        assert superuser.execute("SELECT count(*) FROM orders").fetchone() == (5000,)


def test_writing_must_be_allowed(call, connection):
    params = {"sql": "UPDATE orders SET item = %(i)s WHERE id = 1", "parameters": {"i": "new"}}
    assert refused(call, "execute", params, connection("writer")).code == "read_only"
    assert refused(call, "execute", params, connection("reader", writable=True)).code == "permission_denied"


def test_writing(call, connection, elsewhere):
    writer = connection("writer", writable=True)
    params = {
        "sql": "INSERT INTO orders (id, item) VALUES (%(id)s, %(item)s) RETURNING id",
        "parameters": {"id": 9001, "item": "x"},
    }
    assert call(database, "execute", params, writer) == {"count": 1, "rows": [{"id": 9001}], "truncated": False}
    params = {"sql": "DELETE FROM orders WHERE id > %(id)s", "parameters": {"id": 9000}}
    assert call(database, "execute", params, writer) == {"count": 1, "rows": [], "truncated": False}
    error = refused(call, "execute", {"sql": "DELETE FROM orders; DELETE FROM orders"}, writer)
    assert "multiple commands" in error.message
    with psycopg.connect(elsewhere.url) as superuser:
        assert superuser.execute("SELECT count(*) FROM orders").fetchone() == (5000,)


@pytest.mark.parametrize(
    ("params", "code", "reason"),
    [
        ({"sql": "SELECT nope FROM orders"}, "sql_error", "nope"),
        ({"sql": "SELEC 1"}, "sql_error", "syntax"),
        ({"sql": "SELECT * FROM pg_authid"}, "permission_denied", "lacks a privilege"),
        ({"sql": "SELECT %(a)s", "parameters": {"b": 1}}, "sql_error", "a"),
        ({"sql": "SELECT %(a)s::text AS x", "parameters": {"a": "\0"}}, "sql_error", "NUL"),
        ({"sql": "SELECT 1 AS x, 2 AS x"}, "invalid_input", "AS"),
        ({"sql": "SELECT pg_read_file('/etc/passwd')"}, "permission_denied", "lacks a privilege"),
    ],
)
def test_errors_are_the_databases_own_words(call, connection, params, code, reason):
    error = refused(call, "query", params, connection())
    assert error.code == code and reason in error.message and not error.retryable


def test_a_statement_has_its_time(call, connection):
    error = refused(call, "query", {"sql": "SELECT pg_sleep(100)"}, connection(statement_seconds=1), seconds=90)
    assert error.code == "timeout" and error.retryable, "the statement and the step would go on for a minute and more"


@pytest.mark.extended
def test_the_step_has_its_time_whatever_the_statement_does(call, connection):
    statement = (
        "SELECT set_config('statement_timeout', '0', true), pg_sleep(0.01 * n) FROM generate_series(0, 2000) AS n"
    )
    error = refused(call, "query", {"sql": statement, "max_rows": 10_000}, connection(), seconds=1.5)
    assert error.code == "timeout", "the statement would go on for hours"


# --- who is let in ----------------------------------------------------------------------------------------------------


def test_mighty_roles_are_refused(call, connection, settings):
    for role in ("automate", "filer", "heir", "masked"):
        error = refused(call, "query", {"sql": "SELECT 1"}, connection(role))
        assert error.code == "role_refused" and role in error.message and "SELECT on single tables" in error.message
    settings.AUTOMATE_SQL_OWN_DATABASE = True
    assert call(database, "query", {"sql": "SELECT 1 AS one"}, connection("automate"))["rows"] == [{"one": 1}]


@pytest.fixture
def own_server(settings):
    """The site's own PostgreSQL by TCP."""
    relay = Relay(parse_qs(urlsplit(os.environ["DATABASE_URL"]).query)["host"][0])
    settings.AUTOMATE_EGRESS_ALLOW = [f"127.0.0.1:{relay.port}"]
    yield relay.port
    relay.close()


def test_the_sites_own_role_is_refused(call, own_server, settings):
    name = own_connection.settings_dict["NAME"]
    url = os.environ["DATABASE_URL"]
    with psycopg.connect(url, autocommit=True) as superuser:
        superuser.execute("DROP ROLE IF EXISTS of_the_site")
        superuser.execute("CREATE ROLE of_the_site LOGIN")
        superuser.execute("DROP ROLE IF EXISTS near_the_site")
        superuser.execute("CREATE ROLE near_the_site LOGIN IN ROLE of_the_site")
    with own_connection.cursor() as cursor:
        cursor.execute("SET LOCAL ROLE of_the_site")  # the site works as that role
    given = {
        "host": "127.0.0.1", "port": own_server, "database": name, "username": "of_the_site", "password": "x",
        "tls": "disable",
    }  # fmt: skip
    try:
        for role in ("of_the_site", "near_the_site"):
            error = refused(call, "query", {"sql": "SELECT 1"}, {**given, "username": role})
            assert error.code == "role_refused" and "this site's own database role" in error.message
        with own_connection.cursor() as cursor:
            cursor.execute("RESET ROLE")
        assert call(database, "query", {"sql": "SELECT 1 AS one"}, given)["rows"] == [{"one": 1}]
    finally:
        with own_connection.cursor() as cursor:
            cursor.execute("RESET ROLE")
        with psycopg.connect(url, autocommit=True) as superuser:
            superuser.execute("DROP ROLE near_the_site, of_the_site")


def test_certificates_and_names_are_verified(call, connection, elsewhere):
    for change in ({"authorities": ""}, {"host": "other.test"}):
        error = refused(call, "query", {"sql": "SELECT 1"}, connection(**change))
        assert error.code == "untrusted_certificate" and "certificate of" in error.message
    before = elsewhere.relay.encrypted
    for host in ("db.test", "127.0.0.1"):
        params = {"sql": "SELECT 1 AS one"}
        assert call(database, "query", params, connection(host=host))["rows"] == [{"one": 1}]
    assert elsewhere.relay.encrypted >= before + 2
    assert "certificate" in refused(call, "query", {"sql": "SELECT 1"}, connection(authorities="nonsense")).message


def test_a_wrong_password(call, connection):
    error = refused(call, "query", {"sql": "SELECT 1"}, connection(password="wrong"))
    assert error.code == "authentication_failed" and "rejected the user reader" in error.message
    with pytest.raises(ConnectorError) as caught:
        database.check_connection(real_context(connection(password="wrong")))
    assert caught.value.code == "needs_reconnect"


def test_nothing_of_the_process_is_lent(call, connection, monkeypatch, tmp_path):
    """No password, file or option of the environment stands in for what a connection lacks."""
    passwords = tmp_path / "pgpass"
    passwords.write_text("*:*:*:*:s3cret-of-reader\n")
    passwords.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(passwords))
    monkeypatch.setenv("PGPASSWORD", "s3cret-of-reader")
    monkeypatch.setenv("PGOPTIONS", "-c search_path=nowhere")
    monkeypatch.setenv("PGSSLMODE", "disable")
    assert refused(call, "query", {"sql": "SELECT 1"}, connection(password="")).code == "connection_failed"
    assert call(database, "query", {"sql": "SELECT count(*) AS n FROM orders"}, connection())["rows"] == [{"n": 5000}]


@pytest.mark.parametrize(
    ("host", "port"),
    [("169.254.169.254", 5432), ("10.0.0.1", 5432), ("/var/run/postgresql", 5432), ("db.test,10.0.0.1", 5432), ("db.test", 22)],
)  # fmt: skip
def test_it_passes_the_address_check(call, connection, host, port, settings):
    error = refused(call, "query", {"sql": "SELECT 1"}, connection(host=host, port=port))
    assert error.code == "egress_blocked"


def test_unverified_tls_is_for_internal_hosts(call, connection, settings, elsewhere):
    for tls in ("require", "disable"):
        given = connection(tls=tls)
        assert call(database, "query", {"sql": "SELECT 1 AS one"}, given)["rows"] == [{"one": 1}]
    settings.AUTOMATE_EGRESS_ALLOW = []
    assert "verified TLS" in refused(call, "query", {"sql": "SELECT 1"}, given).message
    assert refused(call, "query", {"sql": "SELECT 1"}, connection()).code == "egress_blocked"


def test_credentials_stay_with_their_host(call, connection):
    error = refused(call, "query", {"sql": "SELECT 1"}, connection(), bound_hosts=["db.example.com"])
    assert error.code == "egress_blocked" and "cannot be used for" in error.message


def test_a_connection_is_tested_by_signing_in(connection):
    assert database.check_connection(real_context(connection())) == "Signed in to automate as reader."


# --- the statement is no template -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement", ["SELECT '{{ event.payload.name }}'", "SELECT {% if true %}1{% endif %}", "SELECT 1 {# x #}"]
)
def test_an_expression_in_sql_is_refused_when_a_workflow_is_saved(workflow, statement):
    with pytest.raises(DefinitionError, match="cannot contain expressions"):
        workflow(f"""
name: Ask
slug: ask
triggers: [{{endpoint: github}}]
steps:
  - key: ask
    action: sql.query
    inputs: {{sql: "{statement}"}}
""")


def test_an_expression_in_sql_that_was_saved_otherwise_never_runs():
    read = yaml_files.read_workflow("""
name: Ask
slug: ask
triggers: [{endpoint: github}]
steps:
  - {key: ask, action: sql.query, inputs: {sql: "SELECT '{{ event.payload.name }}'"}}
""")
    with pytest.raises(TemplateError, match="cannot contain expressions"):
        program.compile_program(read)


# --- polls ------------------------------------------------------------------------------------------------------------


class Rows(PollSource):
    """A table whose rows are inserted and changed by others; `column` is the one that grows."""

    is_guarded = False
    column = "changed_at"

    def __init__(self, url, connection):
        self.params = {"table": "public.polled", "column": self.column, "key": "id"}
        self.connection = connection
        self.url = url
        with psycopg.connect(url, autocommit=True) as superuser:
            superuser.execute("DROP TABLE IF EXISTS polled")
            superuser.execute('CREATE TABLE polled (id int, "changed_at" timestamptz, "odd %s name" text)')
            superuser.execute("GRANT SELECT ON polled TO reader")
        self.superuser = psycopg.connect(url, autocommit=True)

    def add(self, number, at):
        self.superuser.execute("INSERT INTO polled VALUES (%s, %s, 'x')", [number, at])

    def context(self):
        return Context(real_context(dict(self.connection)))


class RowsByNumber(Rows):
    """Found by a number, in which none is late by more than the overlap."""

    column = "id"


class TestSqlPolls(PollContractTest):
    adapter_cls = SqlConnector
    source = Rows

    @pytest.fixture
    def adapter(self, elsewhere, connection):
        made = []

        def make():
            made.append(self.source(elsewhere.url, connection()))
            return made[-1]

        self.poll_sources = {"new_row": make}
        yield make_instance(self.adapter_cls)
        for source in made:
            source.superuser.close()


class TestSqlPollsByNumber(TestSqlPolls):
    source = RowsByNumber


def test_exact_numbers_are_polled_under_any_name(elsewhere, connection):
    source = Rows(elsewhere.url, connection())
    source.superuser.execute('ALTER TABLE polled ADD "100 %" numeric')
    params, insert = (
        {**source.params, "column": "100 %", "overlap": 0},
        'INSERT INTO polled (id, "100 %%") VALUES (%s, %s)',
    )
    source.superuser.execute(insert, [1, 12345678901234568192])  # floating-point text of it is larger
    first = database.poll("new_row", params, None, source.context())
    source.superuser.execute(insert, [2, 12345678901234568193])
    found = database.poll("new_row", params, first.cursor, source.context())
    assert [item.data["id"] for item in found.items] == [1, 2]
    source.superuser.close()


def test_a_changed_row_comes_again_and_bad_names_are_refused(elsewhere, connection):
    source = Rows(elsewhere.url, connection())
    source.add(7, dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC))
    first = database.poll("new_row", source.params, None, source.context())
    source.superuser.execute("UPDATE polled SET changed_at = '2026-01-31 12:00:30+00' WHERE id = 7")
    [changed] = database.poll("new_row", source.params, first.cursor, source.context()).items
    assert [item.id for item in first.items] != [changed.id] and changed.data["id"] == 7
    assert changed.data == {"id": 7, "changed_at": "2026-01-31T12:00:30+00:00", "odd %s name": "x"}
    faults = {
        "no.such.table": "invalid_input",
        "": "invalid_input",
        "nope": "sql_error",
        'a"; DROP TABLE x; --': "sql_error",
    }
    found = {}
    for table in faults:
        with pytest.raises(ConnectorError) as caught:
            database.poll("new_row", {**source.params, "table": table}, None, source.context())
        found[table] = caught.value.code
    assert found == faults
    source.superuser.close()
