"""A new database gets squashed migrations; one that has some of the old ones goes on with those."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.recorder import MigrationRecorder
from django.db.migrations.writer import MigrationWriter

from automate_governance.migrations.operations import CreateModels
from automate_site.embedded_postgres import binaries
from tests.support.databases import migrated, run
from tests.support.unsquashed import OldLoader

type Key = tuple[str, str]

BEFORE, NOW = OldLoader(None), MigrationLoader(None)
SQUASHED = {key: each for key, each in NOW.disk_migrations.items() if each.replaces}
REPLACED = {old: key for key, each in SQUASHED.items() for old in each.replaces}
#: All migrations but the squashed ones, of other apps too, in the order in which they are applied to a new database.
OLD = list(dict.fromkeys(key for leaf in BEFORE.graph.leaf_nodes() for key in BEFORE.graph.forwards_plan(leaf)))
OURS = [key for key in OLD if key[0].startswith("automate_")]


def plan(applied: Iterable[Key]) -> list[Key]:
    """The migrations that `migrate` applies to a database that has recorded these."""
    rows = MigrationRecorder(connection).migration_qs
    rows.all().delete()
    rows.bulk_create(rows.model(app=app, name=name) for app, name in applied)
    executor = MigrationExecutor(connection)
    executor.loader.check_consistent_history(connection)
    return [(each.app_label, each.name) for each, _ in executor.migration_plan(executor.loader.graph.leaf_nodes())]


def old(keys: Iterable[Key]) -> list[Key]:
    """These with what squashed ones replace in their place."""
    return [each for key in keys for each in (SQUASHED[key].replaces if key in SQUASHED else [key])]


def test_each_app_has_one_squashed_migration():
    assert Counter(app for app, _ in SQUASHED) == dict.fromkeys({app for app, _ in OURS}, 1)


def test_a_new_database_gets_the_squashed_migrations(db):
    planned = plan([])
    assert set(SQUASHED) <= set(planned) and not set(REPLACED) & set(planned)
    assert Counter(old(planned)) == Counter(OLD), "each old one is replaced or applied, once"


@pytest.mark.parametrize("recorded", [[], list(SQUASHED)], ids=["before", "after"])
def test_a_database_with_all_old_migrations_gets_none(db, recorded):
    """Before its next `migrate`, which records the squashed ones, and after it."""
    assert plan([*OLD, *recorded]) == []


def test_a_database_with_some_old_migrations_goes_on_with_the_others(db):
    """Wherever it stopped: an app that has begun goes on as before, one that has not takes the squashed migration."""
    for applied in partly_migrated():
        complete = [key for key, each in SQUASHED.items() if set(each.replaces) <= applied]
        planned = plan([*applied, *complete])
        assert Counter(old(planned)) == Counter(set(OLD) - applied), applied
        begun = {app for app, _ in applied}
        assert not [key for key in planned if key in SQUASHED and key[0] in begun], applied


def partly_migrated() -> Iterator[set[Key]]:
    """A `migrate` that stopped after each old migration, one that had it as target, and apps that are halfway."""
    for key in OURS:
        yield set(OLD[: OLD.index(key) + 1])
        yield set(BEFORE.graph.forwards_plan(key))
    halves = [each.replaces[len(each.replaces) // 2] for each in SQUASHED.values()]
    yield {key for half in halves for key in BEFORE.graph.forwards_plan(half)}


def test_both_ways_lead_to_the_same_models():
    before, after = BEFORE.project_state(), NOW.project_state()
    assert before.models.keys() == after.models.keys()
    for key, model in before.models.items():
        assert described(after.models[key].fields) == described(model.fields), key
        assert described(after.models[key].options) == described(model.options), key


def described(values: dict[str, Any]) -> dict[str, str]:
    """Texts that are equal for equal values; no options and empty ones are the same."""
    kept = {name: value for name, value in values.items() if value or value is False}
    return {name: value if name == "triggers" else MigrationWriter.serialize(value)[0] for name, value in kept.items()}


def test_a_squashed_migration_only_creates(db):
    """What it does has a way back, and nothing in it reads or repairs rows."""
    for key, each in SQUASHED.items():
        assert isinstance(each.operations[0], CreateModels), key
        kinds = {type(operation).__name__ for operation in each.operations}
        assert kinds <= {"CreateModels", "RunSQL", "AddTrigger"}, key
        assert all(operation.reversible for operation in each.operations if isinstance(operation, Operation)), key


# --- the databases ----------------------------------------------------------------------------------------------------

#: Rows that `migrate` seeds, by what identifies them on each database.
SEEDED = {
    "content types": "SELECT app_label, model FROM django_content_type ORDER BY 1, 2",
    "permissions": """SELECT app_label, model, codename, name FROM auth_permission permission
        JOIN django_content_type type ON type.id = content_type_id ORDER BY 1, 2, 3""",
    "roles": """SELECT auth_group.name, app_label, codename FROM auth_group
        LEFT JOIN auth_group_permissions given ON group_id = auth_group.id
        LEFT JOIN auth_permission permission ON permission.id = permission_id
        LEFT JOIN django_content_type type ON type.id = content_type_id ORDER BY 1, 2, 3""",
}
TABLES = """SELECT table_name FROM information_schema.tables
    WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND table_name <> 'django_migrations' ORDER BY 1"""


def schema(url: str) -> Counter[str]:
    """The statements of a dump."""
    command = [binaries() / "pg_dump", "--schema-only", "--no-owner", url]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return Counter(re.split(r"\n\n+", re.sub(r"(?m)^(--.*|\\.*)\n", "", text)))


def seeded(url: str) -> dict[str, Any]:
    """The rows of SEEDED, and the number of rows in each table."""
    with psycopg.connect(url) as session:
        found: dict[str, Any] = {name: session.execute(query).fetchall() for name, query in SEEDED.items()}
        for (table,) in session.execute(TABLES).fetchall():
            found[table] = session.execute(f'SELECT count(*) FROM "{table}"').fetchone()
    return found


@pytest.fixture
def both(environment: dict[str, str]) -> Any:
    url = environment["DATABASE_URL"]
    names = ("migrated_by_old", "migrated_by_squashed")
    yield (
        migrated(url, names[0], "-m", "tests.support.unsquashed", "migrate"),
        migrated(url, names[1], "manage.py", "migrate"),
    )
    with psycopg.connect(url, autocommit=True) as session:
        for name in names:
            session.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.mark.extended
@pytest.mark.process
def test_both_ways_lead_to_the_same_database(db, both):
    """Tables, columns in their order, indexes, constraints, functions, triggers, sequences, and what is seeded."""
    by_old, by_squashed = both
    before, after = schema(by_old), schema(by_squashed)
    assert sum(statement.startswith("CREATE TABLE") for statement in before) > 90
    assert sorted(before - after) == sorted(after - before) == []
    assert seeded(by_old) == seeded(by_squashed)
    with psycopg.connect(by_old) as session:
        assert set(session.execute("SELECT app, name FROM django_migrations")) == set(OLD)
    with psycopg.connect(by_squashed) as session:
        recorded = set(session.execute("SELECT app, name FROM django_migrations"))
    assert recorded == {*OLD, *SQUASHED}, json.dumps(sorted({*OLD, *SQUASHED} ^ recorded))
    run(by_squashed, "manage.py", "migrate", "automate_core", "0020_polls")
    assert schema(by_squashed) != after, "an old name is a target, backwards too"
    run(by_squashed, "manage.py", "migrate")
    assert schema(by_squashed) == after
