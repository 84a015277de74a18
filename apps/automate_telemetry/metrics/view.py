"""The view of the metrics, for a path of the project's own.

path("metrics", metrics)
"""

from __future__ import annotations

import logging

import psycopg
from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from automate_governance.secrets.interfaces import SecretNotFoundError, SecretUnavailableError
from automate_telemetry.metrics import access

log = logging.getLogger(__name__)


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """The metrics in the format that the scraper asks for.

    404 where the settings allow no access, 401 without the right token or address, 503 where the token or the database
    cannot be read, or prometheus-client is missing.
    """
    if not access.is_open():
        return _plain(404, "Metrics are off. Set AUTOMATE_METRICS_TOKEN or AUTOMATE_METRICS_NETWORKS.")
    try:
        if not access.may_read(request):
            refused = _plain(401, "Send the metrics token: Authorization: Bearer TOKEN.")
            refused["WWW-Authenticate"] = 'Bearer realm="metrics"'
            return refused
        return _rendered(request)
    except (SecretNotFoundError, SecretUnavailableError) as error:
        log.error("the metrics token cannot be read: %s", error)
        return _plain(503, "The metrics token cannot be read.")
    except (Error, psycopg.Error) as error:
        log.warning("the metrics cannot be read: %s", str(error).strip())
        return _plain(503, "The metrics cannot be read from the database.")
    except ModuleNotFoundError as error:
        if error.name != "prometheus_client":
            raise
        return _plain(503, "Metrics need prometheus-client: pip install 'django-automate[metrics]'.")


def _rendered(request: HttpRequest) -> HttpResponse:
    """Every metric. Raises ModuleNotFoundError without prometheus-client."""
    from prometheus_client import exposition

    from automate_telemetry.metrics.collector import own_registry

    encode, content_type = exposition.choose_encoder(request.headers.get("Accept", ""))
    return HttpResponse(encode(own_registry()), content_type=content_type)


def _plain(status: int, text: str) -> HttpResponse:
    answer = HttpResponse(f"{text}\n", status=status, content_type="text/plain; charset=utf-8")
    answer._has_been_logged = True  # type: ignore[attr-defined] # Django would report each scrape as an error
    return answer
