"""The WSGI application around Django's: it does not come into being with keys that do not fit what is stored.

application = automate(get_wsgi_application())
"""

from __future__ import annotations

import logging
from typing import Any

from django.conf import settings

from automate_governance import boot

log = logging.getLogger(__name__)


def automate[Application: Any](application: Application) -> Application:
    """`application` itself, once the process is ready to serve. Raises ImproperlyConfigured, which says what to do."""
    boot.prepare()
    if getattr(settings, "AUTOMATE_WORKER", "off") == "managed":
        log.warning("AUTOMATE_WORKER is managed, but this is a WSGI server: run `manage.py automate_worker` beside it")
    return application
