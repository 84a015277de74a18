"""Signed JWTs with which an application proves itself, and the credentials that they are made of.

RFC 7523 (bearer assertions and `private_key_jwt`), GitHub Apps, Microsoft's certificate credentials. A credential is
the text of a secret: a PEM key, a PEM key with its certificate, or a JSON key file as Google makes them. Of such a file
only the key and the issuer are used, never its addresses.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django.views.decorators.debug import sensitive_variables

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.oauth.pem import pem_blocks
from automate_governance.redaction.redactor import learn_entered
from automate_plugins import text

BEARER_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
CLIENT_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ISSUED_BEFORE = 30  # seconds: a provider whose clock is behind rejects what is issued in its future
VALID_FOR = 180  # seconds, of any provider's limit the shortest
MIN_BITS = 2048


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An RSA key; `issuer` and `key_id` where a key file names them, `certificate` where one came with it."""

    key: RSAPrivateKey
    issuer: str = ""
    key_id: str = ""
    certificate: x509.Certificate | None = None

    def __repr__(self) -> str:
        return f"SigningKey(issuer={self.issuer!r})"

    @property
    def ends_at(self) -> dt.datetime | None:
        """When its certificate expires."""
        return self.certificate.not_valid_after_utc if self.certificate else None


@sensitive_variables()
def read_signing_key(credential: str) -> SigningKey:
    """Parse a credential. Raises ConnectorError (`invalid_credential`), which never repeats it."""
    pem, issuer, key_id = credential, "", ""
    if credential.lstrip().startswith("{"):
        document = _key_file(credential)
        pem, issuer, key_id = (
            str(document.get(name) or "") for name in ("private_key", "client_email", "private_key_id")
        )
        learn_entered(pem)
    blocks = pem_blocks(pem)
    try:
        key = load_pem_private_key(next(block for label, block in blocks.items() if "PRIVATE KEY" in label), None)
        found = blocks.get("CERTIFICATE")
        certificate = x509.load_pem_x509_certificate(found) if found else None
    except TypeError as error:  # an encrypted key
        raise _invalid(text("The private key has a passphrase. Store it without one.")) from error
    except Exception as error:
        message = text("The private key cannot be read. Store the whole PEM text, or the JSON key file.")
        raise _invalid(message) from error
    if not isinstance(key, RSAPrivateKey) or key.key_size < MIN_BITS:
        raise _invalid(text("The private key must be an RSA key of %(bits)s bits or more.", bits=str(MIN_BITS)))
    if certificate is not None and certificate.public_key() != key.public_key():
        raise _invalid(text("The certificate does not belong to the private key."))
    return SigningKey(key, issuer, key_id, certificate)


def sign_jwt(signing: SigningKey, claims: Mapping[str, Any], *, algorithm: str = "RS256", offset: float = 0.0) -> str:
    """Return a JWT (RFC 7519) of these claims, with `iat`, `nbf` and `exp`.

    `offset` is how many seconds the other side's clock is ahead of ours. With a certificate, the header has its
    SHA-256 thumbprint (`x5t#S256`).
    """
    now = int(time.time() + offset)
    header: dict[str, Any] = {"alg": algorithm, "typ": "JWT"}
    if signing.key_id:
        header["kid"] = signing.key_id
    if signing.certificate is not None:
        header["x5t#S256"] = _base64(signing.certificate.fingerprint(hashes.SHA256()))
    issued = now - ISSUED_BEFORE
    body = {**claims, "iat": issued, "nbf": issued, "exp": now + VALID_FOR}
    signed = ".".join(_base64(json.dumps(part, separators=(",", ":")).encode()) for part in (header, body))
    padded = (
        padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
        if algorithm == "PS256"
        else padding.PKCS1v15()
    )
    return f"{signed}.{_base64(signing.key.sign(signed.encode(), padded, hashes.SHA256()))}"


def client_assertion(signing: SigningKey, *, client_id: str, audience: str, algorithm: str, offset: float) -> str:
    """Return the JWT with which a client proves itself (RFC 7523, section 2.2)."""
    claims = {"iss": client_id, "sub": client_id, "aud": audience, "jti": secrets.token_urlsafe(16)}
    return sign_jwt(signing, claims, algorithm=algorithm, offset=offset)


def _key_file(credential: str) -> Mapping[str, Any]:
    try:
        document = json.loads(credential)
    except (ValueError, RecursionError) as error:
        raise _invalid(text("The JSON key file is not valid JSON. Store the whole file.")) from error
    if not isinstance(document, dict) or not document.get("private_key"):
        raise _invalid(text("The JSON key file has no private key. Create a key for the service account."))
    return document


def _invalid(message: str) -> ConnectorError:
    return ConnectorError(message, code="invalid_credential")


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
