"""Migrations are history since 0.2.0: a site has run them, so none is rewritten. New ones are added, with their line here.

`python -m tests.project.test_migrations` writes the list anew; a line that changes means that history was rewritten.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.db import migrations
from django.db.migrations.loader import MigrationLoader
from django.db.models import NOT_PROVIDED

from automate_core import older_releases
from automate_governance.migrations.operations import CreateModels

ROOT = Path(__file__).resolve().parents[2]
LIST = Path(__file__).with_name("migrations.sha256")


def lines() -> list[str]:
    """`SHA-256  path` of each migration and of the tables of core's first one, as `sha256sum` writes it."""
    folder = ROOT / "apps"
    found = sorted([*folder.glob("*/migrations/[0-9]*.py"), *folder.glob("*/migrations/tables/[!_]*.py")])
    return [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(ROOT)}" for path in found]


def test_no_migration_was_rewritten():
    recorded, there = LIST.read_text().splitlines(), lines()
    assert [line for line in recorded if line not in there] == [], "add a migration; leave those that sites have run"
    assert [line for line in there if line not in recorded] == [], "a new one: add its line to migrations.sha256"


TAKES_AWAY = (
    migrations.DeleteModel,
    migrations.RemoveConstraint,
    migrations.RemoveField,
    migrations.RemoveIndex,
    migrations.RenameField,
    migrations.RenameModel,
)


def is_ours(key: tuple[str, str]) -> bool:
    return key[0].startswith("automate_")


def operations() -> Iterator[tuple[tuple[str, str], migrations.operations.base.Operation]]:
    """Those of every migration of ours but the first ones, each with its app and name."""
    for key, migration in MigrationLoader(None).disk_migrations.items():
        if is_ours(key) and not migration.initial:
            yield from ((key, operation) for operation in migration.operations)


def test_the_version_before_can_store_rows_beside_the_new_one():
    """A column that it does not know is empty or has a default in the database, not only in Python."""
    missing = []
    for (app, name), operation in operations():
        if not isinstance(operation, migrations.AddField):
            continue
        try:
            field = apps.get_model(app, operation.model_name)._meta.get_field(operation.name)
        except (LookupError, FieldDoesNotExist):
            continue  # removed again
        if not (field.many_to_many or field.null or field.db_default is not NOT_PROVIDED):
            missing.append(f"{app}.{name}: {operation.model_name}.{operation.name}")
    assert missing == [], "null=True or db_default=..."


def test_nothing_is_taken_away_from_the_version_before():
    found = {key for key, operation in operations() if isinstance(operation, TAKES_AWAY)}
    assert found == set(), "remove it in a later release, when no version that uses it is left"


def test_each_app_begins_with_one_migration_that_only_creates():
    """What it does has a way back, and nothing in it reads or repairs rows."""
    first = {key: each for key, each in MigrationLoader(None).disk_migrations.items() if each.initial and is_ours(key)}
    assert set(first) == {(app, "0001_initial") for app in older_releases.LAST}
    for key, each in first.items():
        assert isinstance(each.operations[0], CreateModels), key
        kinds = {type(operation).__name__ for operation in each.operations}
        assert kinds <= {"CreateModels", "RunSQL", "AddTrigger"}, key
        assert all(operation.reversible for operation in each.operations), key


def test_later_migrations_have_names_that_no_site_has_recorded():
    """0.2.0 had more than one in each app, and a site of it has recorded their names."""
    known = [key for key in MigrationLoader(None).disk_migrations if is_ours(key) and key[1] != "0001_initial"]
    assert [key for key in known if older_releases.is_part_of_initial(key)] == [], "a number after that of LAST"


def test_what_tells_an_older_release_is_still_in_the_models():
    """Otherwise each site would be refused."""
    columns = {
        (model._meta.db_table, field.column) for model in apps.get_models() for field in model._meta.concrete_fields
    }
    assert {(table, column) for _, table, column in older_releases.ADDED_LAST} <= columns
    assert {table for table, _, _ in older_releases.ADDED_LAST} <= {table for table, _ in columns}


if __name__ == "__main__":
    LIST.write_text("\n".join(lines()) + "\n")
