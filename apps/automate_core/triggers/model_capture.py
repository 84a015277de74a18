"""Database mode: triggers in PostgreSQL write each change of a watched model into `CapturedChange`.

They do so in the writer's own transaction, for `QuerySet.update()` and raw SQL as for `save()`. A maintenance task then
ingests the changes as events. `migrate` brings the triggers in line with the settings.
"""

from __future__ import annotations

import msgspec
from django.db import connection, transaction

from automate_core import database
from automate_core.models import CapturedChange
from automate_core.outbox.ingest import EventIngestor, NewEvent
from automate_core.triggers.host_events import ORIGIN_HEADER
from automate_core.triggers.model_registry import WatchedModel, model_source, watched_models
from automate_core.triggers.model_signals import encode_change

DUE = "EXISTS (SELECT FROM automate_core_capturedchange)"
MOST_CHANGES = 500  # in one transaction

TRIGGER = "automate_capture"

# It runs with its maker's rights, so that a writer needs none on our tables, and names all it uses in full.
FUNCTION = """
CREATE OR REPLACE FUNCTION {schema}.automate_capture() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    label CONSTANT text := TG_ARGV[0];
    columns CONSTANT jsonb := TG_ARGV[1];
    before jsonb;
    after jsonb;
BEGIN
    IF NOT EXISTS (SELECT FROM {schema}.automate_core_activetrigger WHERE source = 'model:' || label) THEN
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        SELECT jsonb_object_agg(key, to_jsonb(OLD) -> value) INTO before FROM jsonb_each_text(columns);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        SELECT jsonb_object_agg(key, to_jsonb(NEW) -> value) INTO after FROM jsonb_each_text(columns);
    END IF;
    IF before IS DISTINCT FROM after THEN
        INSERT INTO {schema}.automate_core_capturedchange (model, operation, before, after, origin)
        VALUES (label, CASE TG_OP WHEN 'INSERT' THEN 'created' WHEN 'UPDATE' THEN 'updated' ELSE 'deleted' END,
            before, after, coalesce(current_setting('automate.origin', true), ''));
    END IF;
    RETURN NULL;
END
$$
"""

INSTALLED = """
SELECT relation.oid::regclass::text AS table, relname AS name, tgargs AS arguments FROM pg_trigger
JOIN pg_class relation ON relation.oid = tgrelid AND relation.relnamespace = current_schema()::regnamespace
WHERE tgname = %(name)s AND NOT tgisinternal
"""


@transaction.atomic
def install_capture_triggers() -> None:
    """Bring the triggers in the default database in line with the settings. Changes nothing that is right already."""
    tables = set(connection.introspection.table_names())
    wanted = watched_models("database") if CapturedChange._meta.db_table in tables else []
    by_table = {_quoted(entry.model._meta.db_table): entry for entry in wanted if entry.model._meta.db_table in tables}
    with connection.cursor() as cursor:
        for row in database.run(None, INSTALLED, {"name": TRIGGER}):
            if row.table not in by_table and _quoted(row.table) not in by_table:
                cursor.execute(f"DROP TRIGGER {TRIGGER} ON {row.table}")
        if by_table:
            cursor.execute("SELECT current_schema()")
            cursor.execute(FUNCTION.format(schema=_quoted(cursor.fetchone()[0])))
        for table, entry in by_table.items():
            cursor.execute(_trigger(table, entry))


@transaction.atomic
def remove_capture_triggers() -> None:
    """Drop the triggers from the project's tables, and their function."""
    with connection.cursor() as cursor:
        for table in captured_tables():
            cursor.execute(f"DROP TRIGGER {TRIGGER} ON {table}")
        cursor.execute("DROP FUNCTION IF EXISTS automate_capture()")


def captured_tables() -> list[str]:
    """The tables that have such a trigger, as SQL writes them."""
    return [row.table for row in database.run(None, INSTALLED, {"name": TRIGGER})]


def outdated_captures() -> list[str]:
    """The models whose table has no such trigger, or one that was made for other fields."""
    made = {row.name: row.arguments for row in database.run(None, INSTALLED, {"name": TRIGGER})}
    return [
        entry.model._meta.label
        for entry in watched_models("database")
        if made.get(entry.model._meta.db_table) != b"".join(text.encode() + b"\0" for text in _arguments(entry))
    ]


def _trigger(table: str, entry: WatchedModel) -> str:
    arguments = ", ".join(map(_literal, _arguments(entry)))
    return (
        f"CREATE OR REPLACE TRIGGER {TRIGGER} AFTER INSERT OR UPDATE OR DELETE ON {table}"
        f" FOR EACH ROW EXECUTE FUNCTION automate_capture({arguments})"
    )


def _arguments(entry: WatchedModel) -> tuple[str, str]:
    """The label and the columns. No field can be called `pk`, so that the key stands among them under that name."""
    columns = {"pk": entry.model._meta.pk.column, **{field.name: field.column for field in entry.fields}}
    return entry.label, msgspec.json.encode(columns).decode()


def _quoted(name: str) -> str:
    return connection.ops.quote_name(name)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def ingest_captured_changes() -> float | None:
    """Ingest captured changes as events and delete them, in one transaction: 0 when there may be more."""
    with transaction.atomic():
        changes = list(
            CapturedChange.objects.order_by("id").select_for_update(skip_locked=True, no_key=True)[:MOST_CHANGES]
        )
        if events := [event for change in changes if (event := _event(change))]:
            EventIngestor().ingest(*events)
        CapturedChange.objects.filter(pk__in=[change.pk for change in changes]).delete()
    return 0.0 if len(changes) == MOST_CHANGES else None


def _event(change: CapturedChange) -> NewEvent | None:
    before, after = (dict(values) if values else None for values in (change.before, change.after))
    pks = [values.pop("pk") for values in (before, after) if values]
    payload = encode_change(change.model, change.operation, pks[-1], before, after)
    headers = {ORIGIN_HEADER: change.origin} if change.origin else {}
    if payload is None:
        return None
    return NewEvent(
        source=model_source(change.model),
        type=change.operation,
        payload=payload,
        delivery_key=str(change.pk),
        headers=headers,
    )
