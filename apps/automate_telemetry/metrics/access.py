"""Who may read the metrics: requests with the token, and requests from the networks of the settings.

Without AUTOMATE_METRICS_TOKEN and AUTOMATE_METRICS_NETWORKS, access is denied.
"""

from __future__ import annotations

import functools
import hmac

from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from automate_core import proxies
from automate_core.conf import setting
from automate_governance.redaction.redactor import learn
from automate_governance.secrets import resolver

LEAST_CHARACTERS = 20  #: of a token that stands in the settings itself

_FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED")


def is_open() -> bool:
    """Whether anybody may read them."""
    return bool(setting("AUTOMATE_METRICS_TOKEN") or setting("AUTOMATE_METRICS_NETWORKS"))


@sensitive_variables()
def may_read(request: HttpRequest) -> bool:
    """Whether this request may. Raises SecretNotFoundError or SecretUnavailableError for a token that cannot be read.

    Secrets are read, and compared, only where a request brings a token.
    """
    if _is_from_network(request):
        return True
    kind, _space, given = request.headers.get("Authorization", "").partition(" ")
    reference = str(setting("AUTOMATE_METRICS_TOKEN") or "")
    if not reference or kind.lower() != "bearer" or not given:
        return False
    return hmac.compare_digest(given.strip().encode(), _token(reference).encode())


@sensitive_variables()
def _token(reference: str) -> str:
    """The token behind the setting: a reference to a secret, or the token itself."""
    if resolver.is_reference(reference):
        return resolver.resolve(reference).reveal()
    _learn_once(reference)
    return reference


@functools.lru_cache(maxsize=4)
def _learn_once(token: str) -> None:
    learn(token)


def _is_from_network(request: HttpRequest) -> bool:
    """Whether the sender's address is in the list.

    A request that came through a proxy counts by what a trusted proxy says of it, and by nothing else: the address of
    a proxy stands for everybody.
    """
    networks = tuple(setting("AUTOMATE_METRICS_NETWORKS"))
    peer = str(request.META.get("REMOTE_ADDR") or "")
    if not networks or not proxies.is_in(peer, networks):
        return False
    trusted = tuple(setting("AUTOMATE_TRUSTED_PROXIES"))
    is_forwarded = any(name in request.META for name in _FORWARDED)
    return not is_forwarded or (bool(trusted) and not proxies.is_in(peer, trusted))
