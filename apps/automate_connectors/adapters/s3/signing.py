"""AWS Signature Version 4, as S3 and compatible services check it.

Sources: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html and
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html. Unlike other services, S3 takes a path
that is encoded once and not normalised, and the hash of the body in a header.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

_ALGORITHM = "AWS4-HMAC-SHA256"
_UNSIGNED = "UNSIGNED-PAYLOAD"  # the body of a presigned request is not known yet
_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, kw_only=True)
class Signer:
    """Signs requests with the credentials of a connection, for one region."""

    access_key: str
    secret_key: str = field(repr=False)
    region: str
    session_token: str = field(default="", repr=False)

    def sign_headers(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, *, at: dt.datetime
    ) -> dict[str, str]:
        """Return `headers` with those that sign the request. `url` is encoded as by `encoded` and `encoded_query`."""
        digest = hashlib.sha256(body).hexdigest()
        given = {**headers, "x-amz-content-sha256": digest, "x-amz-date": _stamp(at)}
        if self.session_token:
            given["x-amz-security-token"] = self.session_token
        signed = {name.lower(): " ".join(value.split()) for name, value in {**given, "host": _host(url)}.items()}
        names = ";".join(sorted(signed))
        parts = urlsplit(url)
        signature = self._signature(_canonical(method, parts.path, parts.query, signed, digest), at)
        credential = f"{self.access_key}/{self._scope(at)}"
        authorization = f"{_ALGORITHM} Credential={credential},SignedHeaders={names},Signature={signature}"
        return {**given, "Authorization": authorization}

    def sign_url(self, method: str, url: str, query: Mapping[str, str], *, seconds: int, at: dt.datetime) -> str:
        """Return `url` with a query that lets anyone send this request for so many seconds after `at`."""
        given = {
            **query,
            "X-Amz-Algorithm": _ALGORITHM,
            "X-Amz-Credential": f"{self.access_key}/{self._scope(at)}",
            "X-Amz-Date": _stamp(at),
            "X-Amz-Expires": str(seconds),
            "X-Amz-SignedHeaders": "host",
        }
        if self.session_token:
            given["X-Amz-Security-Token"] = self.session_token
        asked = encoded_query(given)
        request = _canonical(method, urlsplit(url).path, asked, {"host": _host(url)}, _UNSIGNED)
        return f"{url}?{asked}&X-Amz-Signature={self._signature(request, at)}"

    def _scope(self, at: dt.datetime) -> str:
        return f"{at:%Y%m%d}/{self.region}/s3/aws4_request"

    def _signature(self, request: str, at: dt.datetime) -> str:
        hashed = hashlib.sha256(request.encode()).hexdigest()
        message = "\n".join([_ALGORITHM, _stamp(at), self._scope(at), hashed])
        key = f"AWS4{self.secret_key}".encode()
        for part in (f"{at:%Y%m%d}", self.region, "s3", "aws4_request", message):
            key = hmac.digest(key, part.encode(), "sha256")
        return key.hex()


def encoded(path: str) -> str:
    """Return a path as it is sent and signed: everything but letters, digits, `-._~` and slashes in percent."""
    return quote(path, safe="/~")


def encoded_query(query: Mapping[str, str]) -> str:
    """Return a query as it is sent and signed: sorted by encoded name."""
    pairs = sorted((quote(name, safe="~"), quote(value, safe="~")) for name, value in query.items())
    return "&".join(f"{name}={value}" for name, value in pairs)


def _canonical(method: str, path: str, query: str, headers: Mapping[str, str], digest: str) -> str:
    lines = [f"{name}:{headers[name]}" for name in sorted(headers)]
    return "\n".join([method, path or "/", query, *lines, "", ";".join(sorted(headers)), digest])


def _host(url: str) -> str:
    """The Host header that is sent for a URL: without the port that is usual for its scheme."""
    parts = urlsplit(url)
    name = parts.netloc.rpartition("@")[2].lower()
    return name.removesuffix(f":{parts.port}") if parts.port == _PORTS.get(parts.scheme) else name


def _stamp(at: dt.datetime) -> str:
    return f"{at.astimezone(dt.UTC):%Y%m%dT%H%M%SZ}"
