"""Around every fault test: a history of all changes, the outside's evidence, and the invariants at the end."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection

from automate_core import database
from tests.conftest import SECRET
from tests.faults import history, invariants
from tests.faults.harness import Mill, wait_for
from tests.faults.invariants import Evidence


@pytest.fixture
def evidence(transactional_db: None, sink: Any) -> Iterator[Evidence]:
    """What the outside sees of this test, while PostgreSQL writes the history of what happens inside."""
    run_sql(history.REMOVE + history.INSTALL)
    yield Evidence(calls=lambda: list(sink.calls))
    run_sql(history.REMOVE)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """The invariants are a part of each test that gathers evidence."""
    result = yield
    found = pyfuncitem.funcargs.get("evidence")
    if isinstance(found, Evidence):
        with plain_connection() as own:
            if found.quiet:
                wait_for(lambda: is_quiet(own))
            invariants.check(own, found)
    return result


@pytest.fixture
def mill(
    evidence: Evidence, environment: dict[str, str], manage: list[str], sink: Any, tmp_path: Path
) -> Iterator[Mill]:
    """Starts, kills and stops the processes of a test. All have ended when the test has."""
    made = Mill({**environment, "AUTOMATE_EGRESS_ALLOW": sink.host}, manage, tmp_path, evidence)
    yield made
    made.end()


@pytest.fixture
def deliver(deliver: Callable[..., Any], evidence: Evidence) -> Callable[..., Any]:
    """As everywhere, and what was answered is evidence."""

    def post(payload: Any = None, *, delivery: str = "", **extra: Any) -> Any:
        delivery = delivery or str(uuid.uuid4())
        answer = deliver(payload, delivery=delivery, **extra)
        evidence.answered(delivery, answer.status_code, json.loads(answer.content).get("trace_id", ""))
        return answer

    return post


@pytest.fixture
def secret() -> str:
    """What deliveries to /hooks/github/ are signed with."""
    return SECRET


def plain_connection() -> psycopg.Connection[Any]:
    """A connection of its own, with plain tuples as rows."""
    return psycopg.connect(**{**database.parameters({}), "row_factory": psycopg.rows.tuple_row})


def run_sql(statements: str) -> None:
    """On Django's connection."""
    with connection.cursor() as cursor:
        cursor.execute(statements)


def is_quiet(own: psycopg.Connection[Any]) -> bool:
    """Whether no job is live and no run waits for a time that will come."""
    [(live,)] = own.execute(
        "SELECT (SELECT count(*) FROM automate_core_outboxjob WHERE status IN ('ready', 'leased'))"
        " + (SELECT count(*) FROM automate_core_wait WHERE status = 'open' AND due_at IS NOT NULL)"
    ).fetchall()
    return bool(live == 0)


@pytest.fixture
def slow_commit(evidence: Evidence) -> Iterator[Callable[..., None]]:
    """Make the commit of such rows take a minute; with None, no longer."""
    made: list[str] = []

    def undo() -> None:
        while made:
            run_sql(f"DROP TRIGGER IF EXISTS slow ON {made.pop()}")

    def slow(table: str | None, condition: str = "true") -> None:
        undo()
        if table is None:
            return
        run_sql(
            "CREATE OR REPLACE FUNCTION fault_slow() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN PERFORM pg_sleep(60); RETURN NULL; END $$;"
            f" CREATE CONSTRAINT TRIGGER slow AFTER INSERT OR UPDATE ON {table} DEFERRABLE INITIALLY DEFERRED"
            f" FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION fault_slow()"
        )
        made.append(table)

    yield slow
    undo()


@pytest.fixture
def database_setting(evidence: Evidence, sessions_end: None) -> Iterator[Callable[[str, str], None]]:
    """Set an option for every new connection to the tests' database, and end those that are there."""
    name = connection.settings_dict["NAME"]
    changed: set[str] = set()

    def change(option: str, value: str) -> None:
        changed.add(option)
        run_sql("SET default_transaction_read_only = off")
        run_sql(f"ALTER DATABASE \"{name}\" SET {option} = '{value}'")
        cut_connections()
        connection.close()

    yield change
    for option in changed:
        run_sql("SET default_transaction_read_only = off")
        run_sql(f'ALTER DATABASE "{name}" RESET {option}')
    cut_connections()
    connection.close()


def cut_connections() -> None:
    """End every connection to the tests' database but Django's own."""
    run_sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
