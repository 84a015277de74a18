"""Releases before 0.2.0: this version has no migrations that bring their tables up to date, so it refuses them."""

from __future__ import annotations

from collections.abc import Iterable

from django.core.management.base import CommandError
from django.db import DEFAULT_DB_ALIAS, connections

type Key = tuple[str, str]

#: The last migration of each app in 0.2.0. `0001_initial` does what those up to it did; later ones have higher numbers.
LAST = {
    "automate_api": "0003_clients_of_tokens",
    "automate_connectors": "0010_defaults_of_grants",
    "automate_core": "0047_held_events",
    "automate_governance": "0014_passwords_to_change",
    "automate_llm": "0004_capped_and_voided_calls",
    "automate_studio": "0003_translated_names",
}

#: For each app whose tables have changed: one that its first release had, and a column that 0.2.0 added last.
ADDED_LAST = (
    ("automate_api_apitoken", "automate_api_apitoken", "client_id"),
    ("automate_connectors_connection", "automate_connectors_connection", "runs_on"),
    ("automate_core_workflow", "automate_core_heldevent", "id"),
    ("automate_governance_auditentry", "automate_governance_passwordchange", "id"),
    ("automate_llm_llmbudget", "automate_llm_llmusage", "is_capped"),
)
_LACKS = """
SELECT to_regclass(%s) IS NOT NULL AND NOT EXISTS (
    SELECT FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attname = %s AND NOT attisdropped)
"""

REFUSAL = (
    "The database has tables of a release before 0.2.0. Install 0.2.0 and run its manage.py migrate, then install this "
    "version again."
)


def has_older_tables() -> bool:
    """Whether the default database was not migrated to the end by 0.2.0. A new and an empty one were not older."""
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        for added in ADDED_LAST:
            cursor.execute(_LACKS, added)
            if cursor.fetchone() == (True,):
                return True
    return False


def refuse_older_tables(using: str = DEFAULT_DB_ALIAS, **_: object) -> None:
    """Before `migrate`, also one without system checks. Raises CommandError."""
    if using == DEFAULT_DB_ALIAS and connections[using].vendor == "postgresql" and has_older_tables():
        raise CommandError(REFUSAL)


def is_part_of_initial(key: Key) -> bool:
    """Whether `0001_initial` does what this migration of 0.2.0 or of an earlier release did."""
    app, name = key
    return app in LAST and name[:4] <= LAST[app][:4]


def were_recorded_before(keys: Iterable[Key]) -> bool:
    """Whether these are the recorded migrations of a release before 0.2.0."""
    core = {name for app, name in keys if app == "automate_core" and is_part_of_initial((app, name))}
    return not core <= {"0001_initial"} and LAST["automate_core"] not in core
