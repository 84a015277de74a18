"""MySQL: the protocol on loopback always, MariaDB where it is installed; what reads, what may not write, and limits."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time

import pymysql
import pytest

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.adapters.sql.mysql import MySqlConnector
from automate_connectors.context import Context
from automate_operations.plugin_list import list_plugins
from automate_testing.contracts import PollContractTest, PollSource
from tests.connectors.conftest import real_context
from tests.support.certificates import Authority
from tests.support.mysql import MySqlServer, Refusal

mysql = MySqlConnector()


@pytest.fixture(scope="module")
def authority():
    return Authority()


@pytest.fixture
def server(authority, settings, tmp_path):
    made = MySqlServer(authority.files(tmp_path, "127.0.0.1"))
    settings.AUTOMATE_EGRESS_ALLOW = [f"127.0.0.1:{made.port}"]
    made.connection = {
        "host": "127.0.0.1", "port": made.port, "database": "shop", "username": "reader", "password": "right",
        "authorities": authority.pem,
    }  # fmt: skip
    yield made
    made.close()


def test_rows_come_with_their_kinds_over_verified_tls(server, call):
    assert mysql.check_connection(real_context(server.connection)) == "Signed in to shop as reader@%."
    server.data.execute("CREATE TABLE orders (id int, item text, price real)")
    server.data.execute("INSERT INTO orders VALUES (1, 'ünï', 1.5), (2, NULL, 2)")
    params = {
        "sql": "SELECT id, item, price FROM orders WHERE id IN %(ids)s ORDER BY id",
        "parameters": {"ids": [1, 2]},
    }
    assert call(mysql, "query", params, server.connection) == {
        "columns": ["id", "item", "price"],
        "rows": [{"id": 1, "item": "ünï", "price": 1.5}, {"id": 2, "item": None, "price": 2.0}],
        "truncated": False,
    }
    assert server.encrypted == 2
    first = server.asked.index("START TRANSACTION READ ONLY")
    assert {"SET SESSION max_execution_time = 5000", "SET SESSION TRANSACTION READ ONLY"} < set(server.asked[:first])
    limited = call(mysql, "query", {"sql": "SELECT id FROM orders", "max_rows": 1}, server.connection)
    assert limited == {"columns": ["id"], "rows": [{"id": 1}], "truncated": True}
    writer = {**server.connection, "writable": True}
    params = {"sql": "UPDATE orders SET item = %(item)s WHERE id = 2", "parameters": {"item": {"a": 1}}}
    assert call(mysql, "execute", params, writer) == {"count": 1, "rows": [], "truncated": False}
    assert server.asked[-2:] == ["UPDATE orders SET item = '{\\\"a\\\":1}' WHERE id = 2", "COMMIT"]


REFUSALS = [
    ({"password": "wrong"}, "query", {"sql": "SELECT 1"}, "authentication_failed", "rejected the user reader"),
    ({"authorities": ""}, "query", {"sql": "SELECT 1"}, "untrusted_certificate", "certificate of"),
    ({"host": "localhost.test"}, "query", {"sql": "SELECT 1"}, "egress_blocked", "not allowed"),
    (
        {"host": "169.254.169.254", "port": 3306},
        "query",
        {"sql": "SELECT 1"},
        "egress_blocked",
        "no access to 169.254.169.254",
    ),
    ({}, "execute", {"sql": "DELETE FROM orders"}, "read_only", "read-only"),
    ({}, "query", {"sql": "SELECT 1", "max_rows": 10_001}, "invalid_input", "between"),
    ({}, "query", {"sql": "SELECT %(a)s", "parameters": {"b": 1}}, "sql_error", "'a' has no value"),
    ({}, "query", {"sql": "SELECT %(a)d", "parameters": {"a": "x"}}, "sql_error", "d format"),
    ({}, "query", {"sql": "SELECT 1 AS x, 2 AS x"}, "invalid_input", "AS"),
    ({}, "query", {"sql": "SELECT nope FROM orders"}, "sql_error", "no such table"),
]
NOT_READING = ["DELETE FROM orders", "SET GLOBAL x = 1", "KILL 5", "CALL p()", "/*! DELETE */ FROM x", "-- SELECT\nDROP TABLE x", "", "(DELETE FROM x)", "SELECTED", "DO 1", "--\nCALL p() /*\nSELECT 1*/"]  # fmt: skip
READING = ["select 1 AS x", "\n-- why\n/* what */ (SELECT 1 AS x)", "# note\nWITH y AS (SELECT 1 AS x) SELECT x FROM y"]


@pytest.mark.extended
def test_refusals_name_the_fault(server, call):
    missed = []
    others = [({}, "query", {"sql": each}, "read_only", "only reads") for each in NOT_READING]
    for change, action, params, code, said in [*REFUSALS, *others]:
        try:
            call(mysql, action, params, {**server.connection, **change})
            missed.append((action, params))
        except ConnectorError as error:
            if error.code != code or said not in error.message or error.retryable or "right" in error.message:
                missed.append((action, params, error.code, error.message))
    assert missed == []
    for statement in READING:
        if "(" not in statement[:30]:  # SQLite takes no brackets around a statement
            assert call(mysql, "query", {"sql": statement}, server.connection)["rows"] == [{"x": 1}]
    server.answers["SELECT slow"] = Refusal(3024, "Query execution was interrupted, maximum statement time exceeded")
    with pytest.raises(ConnectorError, match="timed out") as caught:
        call(mysql, "query", {"sql": "SELECT slow"}, server.connection)
    assert caught.value.code == "timeout" and caught.value.retryable


GRANTS = {
    "GRANT FILE, SELECT ON *.* TO `reader`@`%`": "role_refused",
    "GRANT ALL PRIVILEGES ON *.* TO `reader`@`%` WITH GRANT OPTION": "role_refused",
    "GRANT SELECT, SUPER ON *.* TO `reader`@`%`": "role_refused",
    "GRANT ALL PRIVILEGES ON `shop`.* TO `reader`@`%`": "",
    "GRANT SELECT, PROCESS ON *.* TO `reader`@`%`": "",
}


def test_privileged_accounts_are_refused_also_by_a_role(server, call, settings):
    server.answers["SELECT CURRENT_USER(), CURRENT_ROLE()"] = [("reader@%", "`keeper`@`%`")]
    found = {}
    for grant in GRANTS:
        server.answers["SHOW GRANTS"] = [(grant,)]
        try:
            call(mysql, "query", {"sql": "SELECT 1"}, server.connection)
            found[grant] = ""
        except ConnectorError as error:
            found[grant] = error.code
    assert found == GRANTS
    assert "SHOW GRANTS FOR CURRENT_USER() USING `keeper`@`%`" in server.asked
    settings.AUTOMATE_SQL_OWN_DATABASE = True
    server.answers["SHOW GRANTS"] = [(next(iter(GRANTS)),)]
    assert call(mysql, "query", {"sql": "SELECT 1 AS one"}, server.connection)["rows"] == [{"one": 1}]


def test_clear_text_is_for_internal_hosts_and_never_in_place_of_tls(server, call, settings):
    for tls in ("require", "disable"):
        given = {**server.connection, "tls": tls}
        assert call(mysql, "query", {"sql": "SELECT 1 AS one"}, given)["rows"] == [{"one": 1}]
    assert server.encrypted == 1
    server.context = None  # no TLS is offered any more
    for tls in ("verify-full", "require"):
        with pytest.raises(ConnectorError, match="does not support TLS") as caught:
            call(mysql, "query", {"sql": "SELECT 1"}, {**server.connection, "tls": tls})
        assert caught.value.code == "untrusted_certificate"
    settings.AUTOMATE_EGRESS_ALLOW = []
    with pytest.raises(ConnectorError, match="verified TLS"):
        call(mysql, "query", {"sql": "SELECT 1"}, given)


@pytest.mark.extended
def test_a_silent_server_and_a_large_answer_end_the_call(server, call):
    server.answers["SELECT silent"] = 30
    with pytest.raises(ConnectorError) as caught:
        call(mysql, "query", {"sql": "SELECT silent"}, {**server.connection, "statement_seconds": 1}, seconds=60)
    assert caught.value.code == "timeout" and caught.value.retryable, "the server did not end it, the connection did"
    server.answers["SELECT large"] = [("x" * 10_000_000,)] * 3
    with pytest.raises(ConnectorError) as caught:
        call(mysql, "execute", {"sql": "SELECT large"}, {**server.connection, "writable": True})
    assert caught.value.code == "response_too_large"
    rows = call(mysql, "query", {"sql": "SELECT large"}, server.connection)
    assert rows["rows"] == [] and rows["truncated"], "the rest is not read"


class Rows(PollSource):
    """A table; `column` is the one that grows."""

    is_guarded = False
    params = {"table": "orders", "column": "changed_at", "key": "id"}

    def __init__(self, server):
        self.server, self.connection = server, server.connection
        server.types = {"id": "bigint", "changed_at": "datetime"}
        server.data.execute("DROP TABLE IF EXISTS orders")
        server.data.execute("CREATE TABLE orders (id int, changed_at text)")

    def add(self, number, at):
        self.server.data.execute("INSERT INTO orders VALUES (?, ?)", [number, f"{at:%Y-%m-%dT%H:%M:%S}"])

    def context(self):
        return Context(real_context(dict(self.connection)))


class RowsByNumber(Rows):
    """Found by a number, in which none is late by more than the overlap."""

    params = {**Rows.params, "column": "id"}


class TestMySqlPolls(PollContractTest):
    adapter_cls = MySqlConnector
    source = Rows

    @pytest.fixture
    def adapter(self, server):
        self.poll_sources = {"new_row": lambda: self.source(server)}
        return mysql


def test_without_the_library_pages_and_forms_say_what_to_install(monkeypatch):
    monkeypatch.setattr("automate_connectors.adapters.extras.find_spec", lambda name: None)
    [row] = [each for each in list_plugins() if (each["kind"], each["code"]) == ("connector", "mysql")]
    assert row["disabled"].startswith("This connector needs the extra mysql") and row["triggers"] == ["new_row"]
    with pytest.raises(ConnectorError, match="needs the extra mysql"):
        mysql.validate_config({})


# --- MariaDB ----------------------------------------------------------------------------------------------------------

SETUP = """
CREATE DATABASE shop;
CREATE TABLE shop.orders (id bigint PRIMARY KEY, item text, price decimal(10, 2), paid bool, data json, at datetime(3),
    stamp timestamp DEFAULT '2026-01-02 03:04:05');
INSERT INTO shop.orders (id, item, price, paid, data, at)
    SELECT seq, concat('item ', seq), seq * 1.10, seq % 2, '{"n": 1}', '2026-01-02 03:04:05.678' FROM shop.seq_1_to_5000;
CREATE USER reader IDENTIFIED BY 'of-reader';
GRANT SELECT ON shop.* TO reader;
CREATE USER writer IDENTIFIED BY 'of-writer';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, EXECUTE ON shop.* TO writer;
CREATE USER filer IDENTIFIED BY 'of-filer';
GRANT FILE ON *.* TO filer;
GRANT SELECT ON shop.* TO filer;
CREATE ROLE keeper;
GRANT FILE ON *.* TO keeper;
CREATE USER heir IDENTIFIED BY 'of-heir';
GRANT keeper TO heir;
GRANT SELECT ON shop.* TO heir;
SET DEFAULT ROLE keeper FOR heir;
CREATE PROCEDURE shop.gone() BEGIN COMMIT; DELETE FROM shop.orders; COMMIT; END
"""


@pytest.fixture(scope="module")
def database(authority, tmp_path_factory):
    """Debian's MariaDB on loopback, with a data folder of its own."""
    path = f"{os.environ['PATH']}:/usr/sbin"
    program, install = (shutil.which(name, path=path) for name in ("mariadbd", "mariadb-install-db"))
    if program is None or install is None:
        pytest.skip("mariadb-server is not installed")
    home = tmp_path_factory.mktemp("db")
    certificate, key = authority.files(home, "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = open(home / "log", "wb")  # noqa: SIM115 - closed below
    common = ["--no-defaults", f"--datadir={home}/data", f"--user={getpass.getuser()}"]
    normal = "--auth-root-authentication-method=normal"
    subprocess.run([install, *common, normal, "--skip-test-db"], stdout=log, stderr=log, check=True)
    process = subprocess.Popen(
        [program, *common, f"--socket={home}/s", f"--port={port}", "--bind-address=127.0.0.1",
         f"--ssl-cert={certificate}", f"--ssl-key={key}", "--innodb-buffer-pool-size=8M", f"--pid-file={home}/pid"],
        stdout=log, stderr=log,
    )  # fmt: skip
    try:
        for _ in range(600):
            if "ready for connections" in (home / "log").read_text() or process.poll() is not None:
                break
            time.sleep(0.1)
        assert process.poll() is None, (home / "log").read_text()[-2_000:]
        root = pymysql.connect(unix_socket=f"{home}/s", user="root", autocommit=True)
        with root, root.cursor() as cursor:
            for statement in SETUP.strip().split(";\n"):
                cursor.execute(statement)
            yield {"port": port, "cursor": cursor}
    finally:
        process.terminate()
        process.wait(60)
        log.close()


@pytest.fixture
def account(database, authority, settings):
    settings.AUTOMATE_EGRESS_ALLOW = [f"127.0.0.1:{database['port']}"]

    def make(name="reader", **change):
        return {
            "host": "127.0.0.1", "port": database["port"], "database": "shop", "username": name,
            "password": f"of-{name}", "authorities": authority.pem, **change,
        }  # fmt: skip

    return make


WRITES = [
    "INSERT INTO orders (id) VALUES (0)",
    "DELETE FROM orders",
    "WITH gone AS (SELECT 1) DELETE FROM orders",
    "SELECT 1; DELETE FROM orders",
    "EXPLAIN DELETE FROM orders; COMMIT",
    "SELECT * FROM orders INTO OUTFILE '/tmp/automate-outfile'",
    "CREATE TABLE shop.other (id int)",
    "DROP TABLE orders",
    "CALL shop.gone()",
    "SET SESSION TRANSACTION READ WRITE",
    "ANALYZE DELETE FROM orders",
    "COMMIT",
    "/*!50000 DELETE FROM orders */",
    "/*M! DELETE FROM orders */",
]


def test_mariadb_is_read_and_not_changed(call, account, database):
    assert mysql.check_connection(real_context(account())) == "Signed in to shop as reader@%."
    [row] = call(mysql, "query", {"sql": "SELECT * FROM orders WHERE id = %(id)s", "parameters": {"id": 1}}, account())[
        "rows"
    ]
    assert row == {
        "id": 1, "item": "item 1", "price": "1.10", "paid": 1, "data": '{"n": 1}', "at": "2026-01-02T03:04:05.678000",
        "stamp": row["stamp"],
    }  # fmt: skip
    for value in ("'; DROP TABLE orders; --", "x' OR '1'='1", "%s", "\\'", "ünï\\", 7, None, "a\nb"):
        params = {"sql": "SELECT %(v)s AS v", "parameters": {"v": value}}
        assert call(mysql, "query", params, account())["rows"] == [{"v": value}]
    changed = []
    for statement in WRITES:
        try:
            call(mysql, "query", {"sql": statement}, account("writer", writable=True))
            changed.append(statement)
        except ConnectorError as error:
            if error.retryable or error.code not in {"read_only", "sql_error", "permission_denied"}:
                changed.append((statement, error.code, error.message))
    database["cursor"].execute("SELECT count(*) FROM shop.orders")
    assert (changed, database["cursor"].fetchone()) == ([], (5000,))
    limited = call(mysql, "query", {"sql": "SELECT repeat('x', 100000) AS x FROM orders"}, account())
    assert len(limited["rows"]) == 19 and limited["truncated"]


def test_mariadb_is_written_to_where_that_is_allowed(call, account):
    writer = account("writer", writable=True)
    insert = {"sql": "INSERT INTO orders (id, item) VALUES (%(id)s, %(item)s) RETURNING id"}
    inserted = call(mysql, "execute", {**insert, "parameters": {"id": 9001, "item": "x"}}, writer)
    assert inserted == {"count": 1, "rows": [{"id": 9001}], "truncated": False}
    delete = {"sql": "DELETE FROM orders WHERE id > %(id)s", "parameters": {"id": 9000}}
    assert call(mysql, "execute", delete, writer) == {"count": 1, "rows": [], "truncated": False}
    refused = {
        ("execute", "DELETE FROM orders", "reader"): "permission_denied",
        ("execute", "DELETE FROM orders; SELECT 1", "writer"): "sql_error",
        ("query", "SELECT 1", "filer"): "role_refused",
        ("query", "SELECT 1", "heir"): "role_refused",
        ("query", "SELECT * FROM mysql.user", "reader"): "permission_denied",
        ("query", "SELECT sleep(60)", "reader"): "timeout",
        ("execute", "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE orders", "writer"): "sql_error",
    }
    found = {}
    for key in refused:
        action, statement, name = key
        given = account(name, writable=True, statement_seconds=1)
        with pytest.raises(ConnectorError) as caught:
            call(mysql, action, {"sql": statement}, given, seconds=60)
        found[key] = caught.value.code
    assert found == refused


def test_mariadb_is_polled(account, database):
    cursor = database["cursor"]
    cursor.execute("CREATE TABLE shop.polled (id bigint, changed_at timestamp(3), `odd %% name` text)", [])
    big = 9_007_199_254_740_993  # beyond what a floating-point number tells apart
    rows = [(big + number, f"2026-01-31 12:00:{number // 60:02}.{number % 60:03}") for number in range(250)]
    cursor.execute("SET time_zone = '+00:00'")
    cursor.executemany("INSERT INTO shop.polled (id, changed_at) VALUES (%s, %s)", rows)
    for column in ("id", "changed_at"):
        params = {"table": "shop.polled", "column": column, "key": "id", "overlap": 0}
        seen, state, more = [], {"value": "0", "type": "bigint", "after": None, "newest": None}, True
        if column == "changed_at":
            state.update(value="2026-01-01T00:00:00", type="timestamp")
        while more:
            result = mysql.poll("new_row", params, state, Context(real_context(account())))
            seen += [item.data["id"] for item in result.items]
            state, more = result.cursor, result.more
        assert seen == [each for each, _ in rows], column
    assert result.items[0].time is not None and result.items[0].time.isoformat().startswith("2026-01-31T12:00:0")
