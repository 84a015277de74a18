"""Checks of how the project is served: the ASGI application and the managed worker."""

from __future__ import annotations

import ast
import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.db import DEFAULT_DB_ALIAS

from automate_core.conf import setting
from automate_plugins.documentation import doc

_RUN_WORKERS = 'Run `manage.py automate_worker` beside the web server, and set AUTOMATE_WORKER = "off".'


def check_asgi(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """E050: the ASGI application is missing that the managed worker and live pages need. W053: it starts no worker."""
    named = getattr(settings, "ASGI_APPLICATION", None)
    if not (named or _is_managed()):
        return []
    path = named or f"{settings.ROOT_URLCONF.partition('.')[0]}.asgi.application"
    module, _dot, name = path.rpartition(".")
    hint = f"Write asgi.py as in {doc('in-your-project')}. Without ASGI: {_RUN_WORKERS}"
    if (tree := _source(module)) is None or name not in _names(tree):
        return [Error(f"There is no ASGI application {path}.", hint=hint, id="automate_core.E050")]
    if not _is_managed() or any(each.module == "automate_core.asgi" for each in _imports(tree)):
        return []
    message = f"AUTOMATE_WORKER is managed, but {module} does not use automate_core.asgi, which starts the worker."
    hint = f"Wrap the application: automate(get_asgi_application()). Or: {_RUN_WORKERS}"
    return [Warning(message, hint=hint, id="automate_core.W053")]


def _source(module: str) -> ast.Module | None:
    """Read, not imported: that would set up Django, and its logging, once more."""
    try:
        spec = importlib.util.find_spec(module)
        return ast.parse(Path(spec.origin).read_bytes()) if spec and spec.origin else None
    except (ImportError, ValueError, OSError, SyntaxError):
        return None


def _names(tree: ast.Module) -> set[str]:
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    names |= {alias.asname or alias.name for node in _imports(tree) for alias in node.names}
    return names | {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def _imports(tree: ast.Module) -> list[ast.ImportFrom]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]


def check_worker(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """W050: the development server starts no managed worker. W051: every web process would start one."""
    if not _is_managed():
        return []
    found: list[CheckMessage] = []
    if sys.argv[1:2] == ["runserver"] and not apps.is_installed("daphne"):
        message = "`runserver` uses WSGI, which does not start a managed worker."
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
    message = f"The connection pool has {size} connections, but a worker can use {needed}."
    return [Warning(message, hint=hint, id="automate_core.W052")]


def _is_managed() -> bool:
    return bool(setting("AUTOMATE_WORKER") == "managed")
