"""The WSGI application around Django's: it does not come into being with keys that do not fit what is stored.

application = automate(get_wsgi_application())
"""

from __future__ import annotations

from typing import Any

from automate_governance import boot


def automate[Application: Any](application: Application) -> Application:
    """`application` itself, once the process is ready to serve. Raises ImproperlyConfigured, which says what to do."""
    boot.prepare()
    return application
