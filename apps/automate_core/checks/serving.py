"""Checks of how the project is served: the ASGI application and the managed worker."""

from __future__ import annotations

import os
import sys
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.db import DEFAULT_DB_ALIAS
from django.utils.module_loading import import_string  # noqa: TID251 - a setting of the project, which is code

from automate_core import asgi
from automate_core.conf import setting

_RUN_WORKERS = 'Run `manage.py automate_worker` beside the web server, and set AUTOMATE_WORKER = "off".'


def check_asgi(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """E050: the ASGI application is missing that the managed worker and live pages need. W053: it starts no worker."""
    named = getattr(settings, "ASGI_APPLICATION", None)
    if not (named or _is_managed()):
        return []
    path = named or f"{settings.ROOT_URLCONF.partition('.')[0]}.asgi.application"
    hint = f"Write asgi.py as in docs/in-your-project.md. Without ASGI: {_RUN_WORKERS}"
    try:
        import_string(path)
    except ImportError as error:
        message = f"The ASGI application {path} cannot be imported: {error}."
        return [Error(message, hint=hint, id="automate_core.E050")]
    if asgi.is_wrapped() or not _is_managed():
        return []
    message = f"AUTOMATE_WORKER is managed, but the ASGI application {path} starts no worker."
    return [
        Warning(message, hint=f"Wrap it: automate(get_asgi_application()). Or: {_RUN_WORKERS}", id="automate_core.W053")
    ]


def check_worker(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """W050: the development server starts no managed worker. W051: every web process would start one."""
    if not _is_managed():
        return []
    found: list[CheckMessage] = []
    if sys.argv[1:2] == ["runserver"] and not apps.is_installed("daphne"):
        message = "`runserver` serves by WSGI, which starts no managed worker."
        found.append(Warning(message, hint=_RUN_WORKERS, id="automate_core.W050"))
    if (processes := os.environ.get("WEB_CONCURRENCY", "")).isdecimal() and int(processes) > 1:
        message = f"Each of the {processes} web processes (WEB_CONCURRENCY) would start a worker."
        found.append(Warning(message, hint=_RUN_WORKERS, id="automate_core.W051"))
    return found


def check_pool(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """W052: the pool has fewer connections than a worker may need."""
    pool = (settings.DATABASES.get(DEFAULT_DB_ALIAS, {}).get("OPTIONS") or {}).get("pool")
    needed = setting("AUTOMATE_WORKER_CONCURRENCY")
    size = (pool.get("max_size") or pool.get("min_size", 4)) if isinstance(pool, dict) else 4
    if not pool or not isinstance(needed, int) or size >= needed:
        return []
    hint = "Raise max_size of the pool, or lower AUTOMATE_WORKER_CONCURRENCY."
    message = f"The connection pool has {size} connections, and a worker may use {needed}."
    return [Warning(message, hint=hint, id="automate_core.W052")]


def _is_managed() -> bool:
    return bool(setting("AUTOMATE_WORKER") == "managed")
