"""Checks of how the project is served: the ASGI application and the managed worker."""

from __future__ import annotations

import importlib.util
import os
import sys
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.db import DEFAULT_DB_ALIAS

from automate_core.conf import setting

_RUN_WORKERS = 'Run `manage.py automate_worker` beside the web server, and set AUTOMATE_WORKER = "off".'


def check_asgi(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """E050: the ASGI application is missing that the managed worker and live pages need."""
    named = getattr(settings, "ASGI_APPLICATION", None)
    module = named.rpartition(".")[0] if named else f"{settings.ROOT_URLCONF.partition('.')[0]}.asgi"
    if _exists(module) or not (named or _is_managed()):
        return []
    hint = f"Add asgi.py as in docs/in-your-project.md. Without ASGI: {_RUN_WORKERS}"
    return [Error(f"There is no module {module}, the ASGI application.", hint=hint, id="automate_core.E050")]


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


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
