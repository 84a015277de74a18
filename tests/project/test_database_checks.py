"""Checks that ask the database: tables of an older release or in another database, and columns that are missing."""

from __future__ import annotations

import os
import subprocess
import sys

import psycopg
import pytest
from django.core.checks import Tags, run_checks
from django.core.checks.registry import registry
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.migrations.recorder import MigrationRecorder

from automate_core import older_releases
from automate_core.models import Workflow
from automate_governance.database_checks import asks_database
from tests.conftest import ROOT
from tests.support.databases import dump, migrated


class Elsewhere:
    """A router that sends our tables to a database that is not there."""

    def db_for_read(self, model, **hints):
        return "second" if model._meta.app_label.startswith("automate_") else None

    db_for_write = db_for_read


def found(**options):
    messages = run_checks(databases=["default"], **options)
    return [each for each in messages if (each.id or "").startswith("automate_")]


def test_no_table_is_there(db):
    """Whatever a check reads: the schema under another name has none of its tables."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER SCHEMA public RENAME TO of_another_name")
    assert found(tags=[Tags.database]) == []
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")  # and the transaction goes on
        cursor.execute("ALTER SCHEMA of_another_name RENAME TO public")


def test_a_column_is_not_there(db):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE automate_governance_storedsecret DROP COLUMN lost_at CASCADE")
    assert found(tags=[Tags.database]) == []


def test_a_router_sends_the_tables_elsewhere(db, settings):
    settings.DATABASE_ROUTERS = [Elsewhere()]
    assert {each.id for each in found()} == {"automate_core.E036"}


def test_every_check_that_asks_the_database_is_one_of_these():
    tagged = [check for check in registry.get_checks() if Tags.database in check.tags]
    ours = [check.__module__ for check in tagged if check.__module__.startswith("automate_")]
    assert len(ours) >= 3 and set(ours) == {asks_database.__module__}


LISTENING = """
name: Listening
slug: listening
triggers: [{kind: event, event: order.paid}]
steps: [{key: write, action: data.write_csv_file, inputs: {filename: a.csv, items: []}}]
"""


def test_a_published_workflow_listens_to_a_type_that_is_not_listed_any_more(workflow, settings):
    made = workflow(LISTENING)
    assert "automate_core.W006" not in {each.id for each in found()}
    settings.AUTOMATE_EVENT_TYPES = {}
    [warning] = [each for each in found() if each.id == "automate_core.W006"]
    assert "listening" in warning.msg and "order.paid" in warning.msg
    Workflow.objects.filter(pk=made.pk).update(status="paused")
    assert "automate_core.W006" not in {each.id for each in found()}


def test_published_workflows_use_files_without_a_storage(workflow, settings):
    workflow(LISTENING)
    assert "automate_core.W076" not in {each.id for each in found()}
    settings.STORAGES = {name: each for name, each in settings.STORAGES.items() if name != "automate"}
    [warning] = [each for each in found() if each.id == "automate_core.W076"]
    assert "listening" in warning.msg and "'automate'" in warning.hint
    with connection.cursor() as cursor:  # versions are append-only
        cursor.execute("SET session_replication_role = replica")
        cursor.execute('UPDATE automate_core_workflowversion SET definition = \'{"steps": [{"kind": "new"}]}\'')
        cursor.execute("SET session_replication_role = DEFAULT")
    assert "automate_core.W076" not in {each.id for each in found()}, "a document of another version is no crash"


def test_tables_of_an_older_release_are_refused_and_those_of_0_2_0_are_not(db):
    for app, name in older_releases.LAST.items():
        MigrationRecorder(connection).record_applied(app, name)
    assert found(tags=[Tags.database]) == []
    for _, table, column in older_releases.ADDED_LAST:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {table} DROP COLUMN {column} CASCADE")
            assert [each.id for each in found(tags=[Tags.database])] == ["automate_core.E039"], table
            transaction.set_rollback(True)
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE automate_core_heldevent")
    with pytest.raises(CommandError, match=r"before 0\.2\.0"):
        call_command("migrate")  # as `serve` calls it, without system checks


@pytest.fixture
def with_older_tables(environment):
    """The URL of a database that lacks the last table of 0.2.0."""
    name = "of_an_older_release"
    url = environment["DATABASE_URL"]
    made = migrated(url, name, "manage.py", "migrate")
    with psycopg.connect(made) as session:
        session.execute("DROP TABLE automate_core_heldevent")
    yield made
    with psycopg.connect(url, autocommit=True) as session:
        session.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.mark.extended
@pytest.mark.process
@pytest.mark.parametrize(
    "command", [["check", "--database", "default"], ["migrate", "--plan"], ["migrate"], ["migrate", "--skip-checks"]]
)
def test_commands_on_tables_of_an_older_release(db, with_older_tables, command):
    before = dump(with_older_tables)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "manage.py", *command], cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, "DATABASE_URL": with_older_tables},
    )  # fmt: skip
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert done.stderr.count(older_releases.REFUSAL) == 1
    assert dump(with_older_tables) == before
