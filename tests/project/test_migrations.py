"""Migrations are history: a site has run them, so none is rewritten. New ones are added, with their line here.

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

ROOT = Path(__file__).resolve().parents[2]
LIST = Path(__file__).with_name("migrations.sha256")


def lines() -> list[str]:
    """`SHA-256  path` of each migration and of the tables of squashed ones, as `sha256sum` writes it."""
    folder = ROOT / "apps"
    found = sorted([*folder.glob("*/migrations/[0-9]*.py"), *folder.glob("*/migrations/tables_*/[!_]*.py")])
    return [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(ROOT)}" for path in found]


def test_no_migration_was_rewritten():
    recorded, there = LIST.read_text().splitlines(), lines()
    assert [line for line in recorded if line not in there] == [], "add a migration; leave those that sites have run"
    assert [line for line in there if line not in recorded] == [], "a new one: add its line to migrations.sha256"


#: What 0.1 cannot do beside 0.2: publish, and accept deliveries. docs/upgrading.md says so.
REQUIRED = ["automate_core.0008_versions_run_as: workflowversion.run_as"]
REMOVED = {
    ("automate_core", "0006_events_of_endpoints"),
    ("automate_core", "0011_keys_of_deliveries"),
}
TAKES_AWAY = (
    migrations.DeleteModel,
    migrations.RemoveConstraint,
    migrations.RemoveField,
    migrations.RemoveIndex,
    migrations.RenameField,
    migrations.RenameModel,
)


def operations() -> Iterator[tuple[tuple[str, str], migrations.operations.base.Operation]]:
    """Those of every migration of ours but the first ones, each with its app and name."""
    for key, migration in MigrationLoader(None).disk_migrations.items():
        if key[0].startswith("automate_") and not key[1].startswith("0001_"):
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
    assert missing == REQUIRED, "null=True or db_default=..."


def test_nothing_is_taken_away_from_the_version_before():
    found = {key for key, operation in operations() if isinstance(operation, TAKES_AWAY)}
    assert found == REMOVED, "remove it in a later release, when no version that uses it is left"


if __name__ == "__main__":
    LIST.write_text("\n".join(lines()) + "\n")
