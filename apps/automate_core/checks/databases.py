"""Checks of the database: its engine, its version, its options, and routers."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, NotSupportedError, connections, models, router

from automate_core import older_releases
from automate_core.triggers import model_capture
from automate_plugins.documentation import doc

OLDEST_POSTGRESQL = 15
OUR_APPS = ("automate_governance", "automate_connectors", "automate_llm", "automate_core", "automate_studio")
_BESIDE_OURS = ("auth", "contenttypes", "guardian")  # our rows refer to theirs


def check_engine(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """E030: the default database is not PostgreSQL."""
    try:
        vendor = connections[DEFAULT_DB_ALIAS].vendor
    except ImproperlyConfigured as error:  # the driver is missing
        vendor = str(error)
    if vendor == "postgresql":
        return []
    hint = 'Set DATABASES["default"]["ENGINE"] to "django.db.backends.postgresql", or to a backend based on it.'
    return [
        Error(
            f"Automate requires PostgreSQL, but the default database is {vendor}.", hint=hint, id="automate_core.E030"
        )
    ]


def check_version() -> list[CheckMessage]:
    """E031: the server is older than PostgreSQL 15. Asks the database."""
    connection = connections[DEFAULT_DB_ALIAS]
    try:
        connection.ensure_connection()
        connection.check_database_version_supported()  # connecting asks once, and another check may have come first
        found = connection.get_database_version()
    except NotSupportedError as error:  # Django's own limit is the same or a later one
        return [_too_old(str(error))]
    return [] if found[0] >= OLDEST_POSTGRESQL else [_too_old(f"The server is version {found[0]}.")]


def _too_old(message: str) -> CheckMessage:
    hint = f"Upgrade the server to PostgreSQL {OLDEST_POSTGRESQL} or later."
    return Error(f"The database server is too old. {message}", hint=hint, id="automate_core.E031")


def check_release() -> list[CheckMessage]:
    """E039: the tables are of a release before 0.2.0. Asks the database."""
    if not older_releases.has_older_tables():
        return []
    hint = f"{doc('upgrading')} names the commit of 0.2.0."
    return [Error(older_releases.REFUSAL, hint=hint, id="automate_core.E039")]


def check_captures() -> list[CheckMessage]:
    """E038: triggers of watched models are missing. Asks the database, except at `migrate`, which installs them."""
    if sys.argv[1:2] == ["migrate"]:
        return []
    labels = model_capture.outdated_captures()
    if not labels:
        return []
    hint = "Run manage.py migrate: it installs the triggers for AUTOMATE_MODEL_TRIGGERS."
    message = f"Changes of {', '.join(labels)} are not captured: the PostgreSQL trigger is missing or out of date."
    return [Error(message, hint=hint, id="automate_core.E038")]


def check_options(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """E032, E034 and E035: options of the default database that Automate cannot work with."""
    database = settings.DATABASES.get(DEFAULT_DB_ALIAS, {})
    return [
        Error(f'DATABASES["default"]: {message}', hint=hint, id=id_)
        for id_, is_wrong, message, hint in _options(database, database.get("OPTIONS") or {})
        if is_wrong
    ]


def _options(database: dict[str, Any], options: dict[str, Any]) -> Iterator[tuple[str, bool, str, str]]:
    """(id, whether it is wrong, message, hint) of each rule."""
    yield (
        "automate_core.E032",
        database.get("AUTOCOMMIT") is False,
        "AUTOCOMMIT is off.",
        "Remove AUTOCOMMIT: runs are saved in short transactions of their own.",
    )
    level = getattr(options.get("isolation_level"), "name", options.get("isolation_level"))
    yield (
        "automate_core.E034",
        str(level or "READ_COMMITTED").upper().replace(" ", "_") not in {"READ_COMMITTED", "2"},
        "isolation_level is not READ COMMITTED.",
        "Remove isolation_level: the queue and the audit trail require READ COMMITTED.",
    )
    yield (
        "automate_core.E035",
        bool(options.get("pool")) and database.get("CONN_MAX_AGE", 0) != 0,
        "a connection pool and CONN_MAX_AGE are both set.",
        "Set CONN_MAX_AGE to 0: the pool keeps connections open.",
    )


def check_kept_connections(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """W030: connections are kept from request to request, and not checked before they are used again."""
    database = settings.DATABASES.get(DEFAULT_DB_ALIAS, {})
    is_kept = database.get("CONN_MAX_AGE", 0) != 0 or bool((database.get("OPTIONS") or {}).get("pool"))
    if not is_kept or database.get("CONN_HEALTH_CHECKS"):
        return []
    hint = "Set CONN_HEALTH_CHECKS to True. Otherwise the first requests after a restart of PostgreSQL fail."
    message = 'DATABASES["default"]: connections are kept between requests, and CONN_HEALTH_CHECKS is off.'
    return [Warning(message, hint=hint, id="automate_core.W030")]


def check_routers(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """E036: a router sends our tables, or tables that they refer to, to another database."""
    elsewhere = [model._meta.label for model in _governed_models() if not _is_in_default(model)]
    if not elsewhere:
        return []
    more = f" and {len(elsewhere) - 3} more" if len(elsewhere) > 3 else ""
    return [
        Error(
            f"DATABASE_ROUTERS sends {', '.join(elsewhere[:3])}{more} to another database than the default one.",
            hint="Automate and the users must be in the default database. Let the router return None for their apps"
            f" ({', '.join((*OUR_APPS, *_BESIDE_OURS))}).",
            id="automate_core.E036",
        )
    ]


def _governed_models() -> list[type[models.Model]]:
    labels = (*OUR_APPS, *_BESIDE_OURS)
    found = [model for config in apps.get_app_configs() if config.label in labels for model in config.get_models()]
    return [*found, *({get_user_model()} - set(found))]


def _is_in_default(model: type[models.Model]) -> bool:
    used = {router.db_for_read(model), router.db_for_write(model)}
    return used == {DEFAULT_DB_ALIAS} and router.allow_migrate_model(DEFAULT_DB_ALIAS, model)


def check_time_zones(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """E037: USE_TZ is off."""
    if settings.USE_TZ:
        return []
    hint = "Set USE_TZ = True: schedules, leases and deadlines require time zones."
    return [Error("USE_TZ is off.", hint=hint, id="automate_core.E037")]
