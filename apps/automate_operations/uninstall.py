"""Removal of everything that Automate stores in the database and in its storage: the command `automate_uninstall`."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator
from typing import Any

import pgtrigger
from django.apps import apps
from django.apps.registry import Apps
from django.core.management import call_command
from django.db import connection, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from automate_connectors.stored.models import DeclaredConnector
from automate_core import artifacts
from automate_core.models import Event, ExecutionRun, OutboxJob, ServiceWebhook, Workflow
from automate_core.states import FINAL_RUN_STATES
from automate_core.triggers import model_capture
from automate_core.worker import health
from automate_governance import roles

#: In the order of removal: each before those that it refers to.
APPS = (
    "automate_api",
    "automate_studio",
    "automate_core",
    "automate_llm",
    "automate_connectors",
    "automate_governance",
)
ROLES = tuple(roles.DESCRIPTIONS)

_FILES_AT_ONCE = 500
_IGNORE = "_pgtrigger_should_ignore"
_IS_USED = "SELECT FROM pg_proc WHERE proname <> %(name)s AND position(%(name)s in prosrc) > 0 LIMIT 1"


def find_obstacles() -> list[str]:
    """Reasons against a removal now: runs that have not ended, workers that are alive, and webhooks at services."""
    found = []
    if _has_table(ExecutionRun) and (runs := ExecutionRun.objects.exclude(status__in=FINAL_RUN_STATES).count()):
        found.append(f"{runs} {'run has' if runs == 1 else 'runs have'} not ended")
    if _has_table(OutboxJob) and (workers := health.live_workers()):
        found.append(f"{workers} {'worker is' if workers == 1 else 'workers are'} running")
    if _has_table(ServiceWebhook) and (webhooks := ServiceWebhook.objects.exclude(registration_id="").count()):
        what = "1 webhook is" if webhooks == 1 else f"{webhooks} webhooks are"
        found.append(f"{what} registered at services (a worker removes them after you pause their workflows)")
    return found


def plan_removal(*, keep_groups: bool) -> Iterator[str]:
    """Lines that describe what `remove` deletes."""
    tables = [name for name in connection.introspection.table_names() if name.startswith(tuple(f"{a}_" for a in APPS))]
    counts = [f"{model.objects.count()} {word}" for model, word in _COUNTED if _has_table(model)]
    held = f", with {', '.join(counts) or 'no workflows'}, the audit trail and stored secrets" if tables else ""
    yield f"{len(tables)} tables{held}"
    yield f"triggers on tables of the project: {', '.join(model_capture.captured_tables()) or 'none'}"
    yield f"functions: {', '.join(_existing(_functions())) or 'none'}"
    state = _migrated_apps()
    types = _own_content_types(state)
    permissions = state.get_model("auth", "Permission").objects.filter(content_type__in=types)
    yield f"{types.count()} content types and {permissions.count()} permissions, with their grants"
    yield f"{_log_entries(state).count()} entries of the admin's history"
    groups = [] if keep_groups else [f"{name} ({members} members)" for name, members in _groups(state)]
    yield f"groups: {', '.join(groups) or 'none'}"
    yield f"files of runs, with large values and uploads: {_count_files()}"


_COUNTED = (
    (Workflow, "workflows"),
    (ExecutionRun, "runs"),
    (Event, "events"),
    (DeclaredConnector, "connectors made in the browser"),
)


def _count_files() -> str:
    """The number of stored files, or what to do where the storage cannot list them."""
    try:
        return str(sum(1 for _ in artifacts.list_names())) if artifacts.storage() else "none"
    except NotImplementedError:
        return f"the storage cannot list them: delete the folder {artifacts.FOLDER} yourself"


def remove_everything(*, keep_groups: bool) -> None:
    """Delete everything. A second call deletes what a failed one left."""
    for label in APPS:
        if label == "automate_core":
            model_capture.remove_capture_triggers()  # after the last post_migrate, whose handler would install them
        if apps.is_installed(label):  # a project may be without the API
            call_command("migrate", label, "zero", verbosity=0, interactive=False)
    with transaction.atomic():
        _remove_functions()
        _remove_rows(_migrated_apps(), keep_groups=keep_groups)
    _remove_files()


def _has_table(model: type[Any]) -> bool:
    return model._meta.db_table in connection.introspection.table_names()


def _migrated_apps() -> Apps:
    """The models that the database has tables for."""
    loader = MigrationLoader(connection)
    applied = [node for node in loader.applied_migrations if node in loader.graph.nodes]
    return loader.project_state(applied).apps


def _own_content_types(state: Apps) -> Any:
    return state.get_model("contenttypes", "ContentType").objects.filter(app_label__in=APPS)


def _log_entries(state: Apps) -> Any:
    return state.get_model("admin", "LogEntry").objects.filter(content_type__in=_own_content_types(state))


def _groups(state: Apps) -> list[tuple[str, int]]:
    """(name, members) of the role groups that have no permission but ours."""
    groups = state.get_model("auth", "Group").objects.filter(name__in=ROLES)
    return [
        (group.name, group.user_set.count())
        for group in groups.exclude(permissions__content_type__in=_foreign(state)).distinct().order_by("name")
    ]


def _foreign(state: Apps) -> Any:
    return state.get_model("contenttypes", "ContentType").objects.exclude(app_label__in=APPS)


def _remove_rows(state: Apps, *, keep_groups: bool) -> None:
    if not keep_groups:
        names = [name for name, _ in _groups(state)]
        state.get_model("auth", "Group").objects.filter(name__in=names).delete()
    _log_entries(state).delete()
    _own_content_types(state).delete()  # permissions and grants go with them
    # `migrate zero` unrecords those that this version has; a site of 0.2.0 has recorded more.
    MigrationRecorder(connection).migration_qs.filter(app__in=[app for app in APPS if apps.is_installed(app)]).delete()


def _functions() -> list[str]:
    """The functions that are ours, those of django-pgtrigger for our tables among them."""
    triggers = [trigger.get_pgid(model) for model, trigger in pgtrigger.registered() if model._meta.app_label in APPS]
    return ["automate_now", "automate_capture", *sorted(triggers)]


def _existing(functions: list[str]) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT proname::text FROM pg_proc WHERE proname = ANY(%s) ORDER BY proname", [functions])
        return [name for (name,) in cursor.fetchall()]


def _remove_functions() -> None:
    with connection.cursor() as cursor:
        for name in _functions():
            cursor.execute(f"DROP FUNCTION IF EXISTS {connection.ops.quote_name(name)}()")
        cursor.execute(_IS_USED, {"name": _IGNORE})
        if cursor.fetchone() is None:  # no other app's triggers need it
            cursor.execute(f"DROP FUNCTION IF EXISTS {_IGNORE}(name)")


def _remove_files() -> None:
    tomorrow = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=1)
    with contextlib.suppress(NotImplementedError):  # of a storage that cannot list: the plan says what to do
        while names := artifacts.list_after("", tomorrow, _FILES_AT_ONCE):
            artifacts.remove(names)
