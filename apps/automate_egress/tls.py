"""TLS of outbound connections: certificates and names are verified, by certifi's authorities or given ones."""

from __future__ import annotations

import ssl  # noqa: TID251 - the contexts of connections that the guard opens

from requests.utils import DEFAULT_CA_BUNDLE_PATH  # noqa: TID251 - the public authorities' certificates

from automate_egress.errors import EgressBlockedError
from automate_plugins import text

PUBLIC_AUTHORITIES = DEFAULT_CA_BUNDLE_PATH  #: the path of their certificates


def verifying_context(authorities: str = "") -> ssl.SSLContext:
    """Return a context that verifies certificate and name. `authorities` are certificates in PEM in place of certifi's.

    Raises EgressBlockedError when they are not certificates.
    """
    try:
        if authorities:
            return ssl.create_default_context(cadata=authorities)
        return ssl.create_default_context(cafile=PUBLIC_AUTHORITIES)
    except (ssl.SSLError, ValueError) as error:
        raise EgressBlockedError(text("The certificate authority is not a valid PEM certificate.")) from error
