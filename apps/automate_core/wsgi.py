"""The WSGI application around Django's: it does not come into being with keys that do not fit what is stored.

    application = automate(get_wsgi_application())

Importing this imports no model, so that it may stand above the line that sets Django up.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from django.conf import settings

log = logging.getLogger(__name__)


def automate[Application: Callable[..., Any]](application: Application) -> Application | Callable[..., Any]:
    """`application`, once the process is ready to serve, and behind AUTOMATE_TRUSTED_PROXIES if there are any.

    Raises ImproperlyConfigured, which says what to do.
    """
    from automate_core import proxies
    from automate_core.conf import setting
    from automate_governance import startup

    startup.prepare_process()
    if getattr(settings, "AUTOMATE_WORKER", "off") == "managed":
        log.warning("AUTOMATE_WORKER is managed, but this is a WSGI server: run `manage.py automate_worker` beside it")
    if not setting("AUTOMATE_TRUSTED_PROXIES"):
        return application
    return lambda environ, start_response: application(proxies.wsgi_environ(environ), start_response)
