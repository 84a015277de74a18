"""ASGI application of the site: static files, deliveries, the managed worker, AI agents, and Django for the rest."""

from __future__ import annotations

import gc
import os
from importlib.util import find_spec
from typing import cast

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "automate_site.settings")
_django = get_asgi_application()

from django.contrib.staticfiles.finders import get_finders  # noqa: E402 - needs Django to be set up
from servestatic import ServeStaticASGI  # noqa: E402

from automate_core.asgi import automate  # noqa: E402
from automate_core.webhooks.asgi_types import Application  # noqa: E402


def _with_static_files(inner: Application) -> ServeStaticASGI:
    served = ServeStaticASGI(inner, max_age=300)
    for finder in get_finders():
        for storage in getattr(finder, "storages", {}).values():
            served.add_files(storage.location, prefix="static/")
    return served


def _mounts() -> dict[str, Application]:
    """The MCP server at /mcp/, where its extra is installed."""
    if find_spec("mcp") is None:
        return {}
    from automate_api.mcp.application import McpApplication

    return {"/mcp/": McpApplication()}


application = _with_static_files(automate(cast(Application, _django), _mounts()))
gc.freeze()  # the code stays: looking through it for garbage would stop all requests for a tenth of a second
