"""A test of a form that passed, remembered in the session: saving exactly these settings records it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping

from django.http import HttpRequest
from django.utils.crypto import salted_hmac
from django.views.decorators.debug import sensitive_variables

from automate_connectors.models import Connection
from automate_connectors.oauth.grant_binding import terms_hash
from automate_governance.models import StoredSecret
from automate_governance.texts import kept_text
from automate_plugins.texts import restored

REMEMBERED_SECONDS = 600
_KEY = "automate_connectors.passed_test"


@sensitive_variables()
def remember_passed_test(request: HttpRequest, connection: Connection, given: Mapping[str, str], message: str) -> None:
    """Remember what passed; `given` holds plain values of references that are not stored yet."""
    until = time.time() + REMEMBERED_SECONDS
    told = {"message": message, "text": kept_text(message, message)}
    request.session[_KEY] = {"digest": _digest(connection, given), "until": until, **told}


def forget_passed_test(request: HttpRequest) -> None:
    """Forget it: a later test did not pass."""
    request.session.pop(_KEY, None)


@sensitive_variables()
def read_passed_test(request: HttpRequest, connection: Connection, given: Mapping[str, str]) -> str | None:
    """The message of the test that passed with exactly these settings; None without one. Call it before they are
    stored.
    """
    kept = request.session.get(_KEY)
    if not kept or kept["until"] < time.time() or kept["digest"] != _digest(connection, given):
        return None
    return restored(kept["text"], kept["message"])


@sensitive_variables()
def _digest(connection: Connection, given: Mapping[str, str]) -> str:
    """A keyed hash of the settings with the values of new secrets, and the versions of stored ones."""
    names = [reference.partition(":")[2] for listed in connection.references().values() for reference in listed]
    stored = StoredSecret.objects.filter(name__in=names).order_by("pk").values_list("pk", "version")
    told = [connection.slug, terms_hash(connection), sorted(given.items()), list(stored)]
    return salted_hmac(_KEY, json.dumps(told), algorithm="sha256").hexdigest()
