"""The one place that decides whether a scheme accepts a delivery, whatever its `match` returns or raises."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from automate_core.webhooks.schemes.registry import signature_schemes
from automate_core.webhooks.schemes.signing import Delivery, SignatureScheme
from automate_plugins.limited_calls import LimitedCalls

log = logging.getLogger(__name__)

#: Calls of schemes that are not built in.
PLUGIN_CALLS = LimitedCalls(seconds=5.0)


def match_secret(scheme: SignatureScheme, secrets: Sequence[str], delivery: Delivery) -> int | None:
    """The index of the secret that the delivery is signed with, or None.

    Anything but an index counts as None, above all False, which is no index. Raises what the scheme raises.
    """
    found = scheme.match(secrets, delivery)
    if found is None or (type(found) is int and 0 <= found < max(1, len(secrets))):
        return found
    log.error("the signature scheme %s returns %s from match, not an index or None", scheme.code, type(found).__name__)
    return None


def is_signed_by(scheme: SignatureScheme, secret: str, delivery: Delivery) -> bool:
    """Whether the delivery is signed with this secret; False when a scheme that is not built in fails."""
    if signature_schemes.is_built_in(scheme.code):
        return match_secret(scheme, [secret], delivery) is not None
    try:
        return PLUGIN_CALLS.run(scheme.code, lambda: match_secret(scheme, [secret], delivery)) is not None
    except Exception:
        log.exception("the signature scheme %s failed", scheme.code)
        return False
