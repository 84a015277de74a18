"""Rights of run-as users at the start of a run: the checks of publishing, made again.

A trigger passes on deliveries, changes or runs of others. Its run-as user has to be active, and may read these: the
payloads of the endpoint or the workflow, or the model. While the user is not active, new runs wait as if the workflow
were paused (`stops`). A trigger whose user may not read the event starts no run: not even one that waits may hold its
payload, so the event waits by itself (`held_events`). An answer counts for CACHE_SECONDS in each worker, so that a busy
trigger costs nothing; a withdrawn permission takes effect everywhere after that time.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import psycopg
from django.contrib.auth.models import Permission
from django.db import DatabaseError, connections
from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, Value, When
from django.db.models.expressions import RawSQL
from django.db.models.fields.json import KT
from django.db.models.functions import Coalesce, Concat, Lower

from automate_core import database
from automate_core.events import event_types
from automate_core.models import ActiveTrigger, Trigger, WebhookEndpoint, Workflow, WorkflowVersion
from automate_core.triggers.model_registry import view_permission
from automate_governance.people.names import username_field
from automate_governance.permissions import Person, permitted_to_outer
from automate_plugins import text

log = logging.getLogger(__name__)

CACHE_SECONDS = 2.0
MOST_CACHED = 20_000
CODE = "run_as_inactive"

type Connection = psycopg.Connection[Any] | None


class RunAsRights:
    """A worker's knowledge of the rights of run-as users, as old as CACHE_SECONDS at most."""

    def __init__(self) -> None:
        self._triggers = _RowCache(_read_triggers)
        self._versions = _RowCache(_read_versions)
        self._stopped: set[int] = set()

    def stopped_triggers(self, connection: Connection, triggers: Iterable[int]) -> tuple[set[int], set[int]]:
        """Those of these active triggers whose events wait, and those whose runs wait. What changes is logged.

        Raises psycopg.Error.
        """
        known = self._triggers.get_rows(connection, triggers)
        for row in known.values():
            if _is_stopped(row) != (row.id in self._stopped):
                self._log_change(row, _is_stopped(row))
        refused = {row.id for row in known.values() if not row.allowed}
        return refused, {row.id for row in known.values() if not row.is_active} - refused

    def inactive_versions(self, connection: Connection, versions: Iterable[int]) -> dict[int, Any]:
        """Those of these versions whose run-as user is not active.

        They are rows of `id`, `slug`, `who`, the user's name, and `published`, the version that their workflow starts.
        Raises psycopg.Error.
        """
        known = self._versions.get_rows(connection, versions)
        return {row.id: row for row in known.values() if not row.is_active}

    def _log_change(self, row: Any, is_stopped: bool) -> None:
        if not is_stopped:
            self._stopped.discard(row.id)
            log.info("workflow %s: its %s trigger starts runs again", row.slug, row.kind)
            return
        self._stopped.add(row.id)
        effect = "starts runs that wait" if row.allowed else "starts nothing for now: its events wait"
        log.warning("workflow %s: its %s trigger %s: %s", row.slug, row.kind, effect, _reason(row))


def trigger_refusals(triggers: Iterable[int]) -> dict[int, str]:
    """The reason of each of these active triggers that is stopped at present, by id. One query."""
    return {row.id: _reason(row) for row in _read_triggers(None, list(triggers)).values() if _is_stopped(row)}


def waiting_triggers(triggers: Iterable[int]) -> set[int]:
    """Those of these active triggers whose runs wait, because their run-as user is not active. One query."""
    return {row.id for row in _read_triggers(None, list(triggers)).values() if row.allowed and not row.is_active}


def _is_stopped(row: Any) -> bool:
    return not (row.allowed and row.is_active)


def inactive_error(row: Any) -> dict[str, Any]:
    """The error of a run, or of a step, that goes no further because of a row of `RunAsRights.inactive_versions`."""
    message = text(
        "The run-as user %(user)s is not active. Activate the user, or publish the workflow with another run-as user.",
        user=str(row.who),
    )
    return {"code": CODE, "message": message}


def inactive_reason(user: str) -> str:
    """Why a workflow starts nothing whose run-as user, of that name, is not active."""
    return text("the run-as user %(user)s is not active", user=user)


def _reason(row: Any) -> str:
    if not row.is_active:
        return inactive_reason(str(row.who))
    if row.kind == Trigger.Kind.EVENT and not event_types.is_declared(row.target):
        return text("%(setting)s does not list '%(type)s'", setting=event_types.SETTING, type=row.target)
    values = {"user": str(row.who), "name": row.target}
    match row.kind:
        case Trigger.Kind.WEBHOOK:
            return text("the run-as user %(user)s can no longer view payloads of the webhook %(name)s", **values)
        case Trigger.Kind.RUN:
            return text("the run-as user %(user)s can no longer view payloads of the workflow %(name)s", **values)
        case Trigger.Kind.MODEL:
            return text("the run-as user %(user)s can no longer view the model %(name)s", **values)
    return text("the run-as user %(user)s can no longer listen to events of the type %(name)s", **values)


class _RowCache:
    """Rows by id, read again after CACHE_SECONDS. A deleted row is missing."""

    def __init__(self, read: Callable[[Connection, list[int]], dict[int, Any]]) -> None:
        self._read = read
        self._rows: dict[int, tuple[float, Any]] = {}

    def get_rows(self, connection: Connection, ids: Iterable[int]) -> dict[int, Any]:
        wanted, now = set(ids), time.monotonic()
        if expired := [each for each in wanted if each not in self._rows or self._rows[each][0] <= now]:
            if len(self._rows) > MOST_CACHED:
                self._rows, expired = {}, list(wanted)
            found = self._read(connection, expired)
            self._rows.update({each: (now + CACHE_SECONDS, found.get(each)) for each in expired})
        rows = {each: self._rows[each][1] for each in wanted}
        return {each: row for each, row in rows.items() if row is not None}


# --- the two queries --------------------------------------------------------------------------------------------------

_RUN_AS = "version__run_as"
_IDS = "stands for the ids"


def _read_triggers(connection: Connection, ids: list[int]) -> dict[int, Any]:
    """Active triggers with `allowed`: whether the run-as user may read the events, if the account is active."""
    rows = {row.id: row for row in _run_query(connection, _trigger_query(), ids)} if ids else {}
    for row in rows.values():
        if not row.is_active or row.kind not in _BACKEND_CHECKS:  # backends know nothing of inactive people
            continue
        if row.kind == Trigger.Kind.EVENT or not row.allowed:
            rows[row.id] = row._replace(allowed=_ask_backends(connection, row))
    return rows


def _read_versions(connection: Connection, ids: list[int]) -> dict[int, Any]:
    """Versions with `slug` and `published` of their workflows, and `who` and `is_active` of their run-as users."""
    return {row.id: row for row in _run_query(connection, _version_query(), ids)}


def _run_query(connection: Connection, query: tuple[str, tuple[Any, ...]], ids: list[int]) -> list[Any]:
    """Run a prepared query of the ORM on the worker's own connection."""
    sql, values = query
    return database.run(connection, sql, [json.dumps(ids) if value == _IDS else value for value in values])


def _ask_backends(connection: Connection, row: Any) -> bool:
    """The answer of the site's authentication backends, which may know rights that are not in the database.

    The permission to listen is a setting, so that no prepared query knows it.
    """
    try:
        person = ActiveTrigger.objects.select_related(_RUN_AS).get(pk=row.id).version.run_as
        return _BACKEND_CHECKS[row.kind](person, row.target)
    except (LookupError, ActiveTrigger.DoesNotExist):
        return False
    except DatabaseError as error:
        raise error.__cause__ or error from None  # as the worker's own connection would say it
    finally:
        if connection is not None:
            connections.close_all()


_BACKEND_CHECKS: dict[str, Callable[[Person, str], bool]] = {
    Trigger.Kind.MODEL: lambda person, label: bool(person.has_perm(view_permission(label))),
    Trigger.Kind.EVENT: event_types.may_listen,
}


@cache
def _trigger_query() -> tuple[str, tuple[Any, ...]]:
    """SQL and its values, one of which is _IDS."""
    endpoints = WebhookEndpoint.objects.filter(slug=OuterRef("target"))
    workflows = Workflow.objects.filter(slug=OuterRef("target"))
    may_read = Case(
        When(**{f"{_RUN_AS}__is_superuser": True}, then=Value(True)),
        When(kind=Trigger.Kind.WEBHOOK, then=Exists(permitted_to_outer(_RUN_AS, "view_payload", endpoints))),
        When(kind=Trigger.Kind.RUN, then=Exists(permitted_to_outer(_RUN_AS, "view_payload", workflows))),
        When(kind=Trigger.Kind.MODEL, then=_may_view_model()),
        default=Value(True),
    )
    target = Coalesce(KT("config__endpoint"), KT("config__workflow"), KT("config__model"), KT("config__event"))
    query = ActiveTrigger.objects.annotate(
        target=target,
        slug=F("workflow__slug"),
        who=F(f"{_RUN_AS}__{username_field()}"),
        is_active=F(f"{_RUN_AS}__is_active"),
        allowed=may_read,
    )
    return _compile_query(query.values_list("id", "kind", "target", "slug", "who", "is_active", "allowed"))


def _may_view_model() -> Q:
    """Django's view of the model that the trigger names."""
    view = Permission.objects.annotate(
        label=Lower(Concat("content_type__app_label", Value("."), "content_type__model"))
    ).filter(label=Lower(OuterRef("target")), codename=Concat(Value("view_"), "content_type__model"))
    return Q(Exists(view.filter(user=OuterRef(_RUN_AS)))) | Q(Exists(view.filter(group__user=OuterRef(_RUN_AS))))


@cache
def _version_query() -> tuple[str, tuple[Any, ...]]:
    query = WorkflowVersion.snapshots.annotate(
        slug=F("workflow__slug"),
        who=F(f"run_as__{username_field()}"),
        is_active=F("run_as__is_active"),
        published=F("workflow__published_id"),
    )
    return _compile_query(query.values_list("id", "slug", "who", "is_active", "published"))


def _compile_query(query: QuerySet[Any, Any]) -> tuple[str, tuple[Any, ...]]:
    # As JSON their number is not known to the planner, which then keeps one plan: to plan takes longer than to answer.
    ids = RawSQL("SELECT jsonb_array_elements_text(%s::jsonb)::bigint", [_IDS])
    chosen = query.order_by().filter(pk__in=ids)
    sql, values = chosen.query.sql_with_params()
    return sql, tuple(values)
