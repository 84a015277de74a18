"""Certificates for the servers of tests: an authority of their own, and what it signs."""

from __future__ import annotations

import datetime as dt
import ipaddress
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Authority:
    """Signs certificates for names and addresses. `pem` is its own certificate."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority of the tests")])
        self._certificate = self._sign(self._name, self._key, x509.BasicConstraints(ca=True, path_length=0))
        self.pem = self._certificate.public_bytes(serialization.Encoding.PEM).decode()

    def files(self, folder: Path, *names: str) -> tuple[str, str]:
        """The paths of a certificate for `names` and of its key, both in PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives = x509.SubjectAlternativeName([_general(name) for name in names])
        signed = self._sign(x509.Name([]), key, alternatives)
        certificate, private = folder / "server.crt", folder / "server.key"
        certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        private.chmod(0o600)
        return str(certificate), str(private)

    def _sign(self, subject: x509.Name, key: Any, extension: Any) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        issuer = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        usage = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign", "encipher_only",
             "decipher_only"), False,
        )  # fmt: skip
        authority = isinstance(extension, x509.BasicConstraints)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=2))
            .add_extension(extension, critical=True)
            .add_extension(
                x509.KeyUsage(digital_signature=not authority, key_cert_sign=authority, **usage), critical=True
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer), critical=False)
            .sign(self._key, hashes.SHA256())
        )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
