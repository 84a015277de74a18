"""Certificates that senders publish: fetched through the guarded session, and kept for a day."""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from automate_connectors.outbound import http_session
from automate_egress import EgressError

FETCH_SECONDS = 5.0
KEPT_SECONDS = 86_400.0
MISSED_SECONDS = 60.0  #: for which a certificate that could not be had is not asked for again
MOST_KEPT = 100
MOST_BYTES = 20_000
LEAST_KEY_BITS = 2_048

log = logging.getLogger(__name__)


class CertificateCache:
    """Public keys by the addresses of their certificates. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, RSAPublicKey | None]] = {}

    def find_key(self, url: str) -> RSAPublicKey | None:
        """The RSA key of the certificate at an https address, or None when there is no valid one. May block."""
        until, key = self._known.get(url, (0.0, None))
        if time.monotonic() < until:
            return key
        key = _fetch_key(url)
        with self._lock:
            if len(self._known) >= MOST_KEPT:
                self._known.clear()
            self._known[url] = (time.monotonic() + (KEPT_SECONDS if key else MISSED_SECONDS), key)
        return key

    def clear(self) -> None:
        """Forget all keys."""
        self._known.clear()


def _fetch_key(url: str) -> RSAPublicKey | None:
    try:
        session = http_session(deadline=time.monotonic() + FETCH_SECONDS)
        answer = session.request("GET", url, follow_redirects=False)
        if answer.status != 200 or len(answer.body) > MOST_BYTES:
            raise ValueError(f"HTTP {answer.status}, {len(answer.body)} bytes")
        certificate = x509.load_pem_x509_certificate(answer.body)
        now = dt.datetime.now(dt.UTC)
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            raise ValueError("it is not valid now")
        key = certificate.public_key()
        if not isinstance(key, RSAPublicKey) or key.key_size < LEAST_KEY_BITS:
            raise ValueError(f"it holds no RSA key of {LEAST_KEY_BITS} bits")
    except (EgressError, ValueError, UnsupportedAlgorithm) as error:
        log.warning("the certificate at %s cannot be used: %s", url, error)
        return None
    return key
