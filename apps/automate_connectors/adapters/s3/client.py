"""Requests to S3: addresses, signatures, answers in XML, and errors with advice.

Sources: https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations.html and ErrorResponses.html, November 2026. A
bucket stands in the path, not in the host name, so that credentials belong to one host.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus
from xml.etree.ElementTree import Element

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.adapters.s3.signing import Signer, encoded, encoded_query
from automate_connectors.bounds.server_numbers import read_number
from automate_connectors.bounds.xml_answers import XmlError, local_name, read_xml
from automate_connectors.web import http_error, invalid_input, quote_segment
from automate_egress import HttpResponse
from automate_governance.redaction.redactor import redact_and_truncate
from automate_plugins import text
from automate_plugins.texts import joined

PAGE_SIZE = 1_000  #: keys of one list request, the most that S3 gives
MAX_KEY_BYTES = 1_024
DEFAULT_REGION = "us-east-1"
_REGION = re.compile(r"[a-z0-9-]{1,40}", re.ASCII)
_CODE = re.compile(r"[A-Za-z0-9.]{1,60}", re.ASCII)
_KEYS = text("Check the access key ID and the secret access key of the connection.")
_ADVICE = {
    "InvalidAccessKeyId": _KEYS,
    "SignatureDoesNotMatch": _KEYS,
    "InvalidToken": _KEYS,
    "ExpiredToken": text("The session token has expired. Replace the credentials."),
    "AccessDenied": text("Allow the operation in the policy of the access key, and check the name of the bucket."),
    "NoSuchBucket": text("Check the name of the bucket and the region."),
    "NoSuchKey": text("The bucket has no object with this key."),
    "PermanentRedirect": text("The bucket is in another region. Change the region of the connection."),
    "AuthorizationHeaderMalformed": text("The bucket is in another region. Change the region of the connection."),
    "RequestTimeTooSkewed": text("The clock of this server is wrong."),
    "SlowDown": text("The service asks to wait."),
}
_REFUSED = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken"})
_RETRYABLE = frozenset({"SlowDown", "InternalError", "RequestTimeout", "ServiceUnavailable"})
_STATUS_CODES = {301: "PermanentRedirect", 403: "AccessDenied", 404: "NoSuchKey"}  # HEAD answers have no body


@dataclass(frozen=True, kw_only=True)
class Page:
    """One page of a list: objects, folders (common prefixes), and whether there are more after the last key."""

    objects: list[dict[str, Any]]
    folders: list[str]
    more: bool
    token: str


class S3Client:
    """The service of a connection. `log` writes each request to the run."""

    def __init__(self, connection: Mapping[str, Any], context: Mapping[str, Any]) -> None:
        self._connection, self._context = connection, context
        region = connection.get("region") or DEFAULT_REGION
        self._base = (connection.get("base_url") or f"https://s3.{region}.amazonaws.com").rstrip("/")

    def url(self, bucket: str = "", key: str | None = None) -> str:
        """Return the URL of the service, a bucket or an object. Raises ConnectorError for a key that no URL reaches.

        A key without a name would reach the bucket itself, which is deleted by the same request as an object.
        """
        if not bucket:
            return f"{self._base}/"
        if key is None:
            return f"{self._base}/{quote_segment(bucket)}"
        if not key.strip("/"):
            raise invalid_input(text("%(name)s is required.", name="key"))
        if len(key.encode()) > MAX_KEY_BYTES:
            raise invalid_input(text("A key can have up to %(count)s bytes.", count=MAX_KEY_BYTES))
        if {".", ".."} & set(key.split("/")):
            raise invalid_input(text("A key cannot have a part that is . or .. between slashes."))
        return f"{self._base}/{quote_segment(bucket)}/{encoded(key)}"

    def send(
        self,
        method: str,
        bucket: str = "",
        key: str | None = None,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        **more: Any,
    ) -> HttpResponse:
        """Send one signed request, with `more` as options of `Http.request`. Raises ConnectorError for a refusal."""
        where = self.url(bucket, key)
        url = f"{where}?{encoded_query(query)}" if query else where
        signed = self._signer().sign_headers(method, url, dict(headers or {}), body, at=dt.datetime.now(dt.UTC))
        self._context["log"](f"{method} {where}")
        options = {**more, "data": body} if method == "PUT" else more
        response: HttpResponse = self._context["http"].request(
            method, url, headers=signed, follow_redirects=False, **options
        )
        if not 200 <= response.status < 300:
            raise self._error(response)
        return response

    def read(self, response: HttpResponse, name: str) -> Element:
        """Return the root element of an answer. Raises ConnectorError where it is not called `name`."""
        root = self._parsed(response)
        if root is not None and local_name(root) == "Error":  # S3 answers a failed copy with 200
            raise self._error(response)
        if root is None or local_name(root) != name:
            raise http_error(text("The response is not from an S3 service."), response, code="invalid_answer")
        return root

    def presign(self, method: str, bucket: str, key: str, query: Mapping[str, str], seconds: int) -> str:
        """Return a link with which anyone can send this request for so many seconds."""
        url, now = self.url(bucket, key), dt.datetime.now(dt.UTC)
        return self._signer().sign_url(method, url, query, seconds=seconds, at=now)

    def list_page(self, bucket: str, **query: str) -> Page:
        """Return one page of a bucket's objects. `query` are parameters of ListObjectsV2, with _ for -."""
        asked = {name.replace("_", "-"): value for name, value in query.items() if value}
        response = self.send("GET", bucket, query={"list-type": "2", "encoding-type": "url", **asked})
        root = self.read(response, "ListBucketResult")
        is_encoded = root.findtext("{*}EncodingType") == "url"
        decode = unquote_plus if is_encoded else str
        return Page(
            objects=[_object(each, bucket, decode(_text(each, "Key"))) for each in root.findall("{*}Contents")],
            folders=[decode(_text(each, "Prefix")) for each in root.findall("{*}CommonPrefixes")],
            more=root.findtext("{*}IsTruncated") == "true",
            token=root.findtext("{*}NextContinuationToken") or "",
        )

    def list_pages(self, bucket: str, most: int, **query: str) -> Iterator[Page]:
        """Yield pages until the last one, or until they hold `most` entries. Raises ConnectorError."""
        found, token = 0, ""
        while True:
            if self._context["cancelled"]():
                raise ConnectorError(text("Cancelled between two pages."), code="cancelled")
            size = str(min(PAGE_SIZE, most - found))
            page = self.list_page(bucket, **query, max_keys=size, continuation_token=token)
            yield page
            found += len(page.objects) + len(page.folders)
            if not page.more or page.token in ("", token) or found >= most:
                return
            token = page.token

    def _signer(self) -> Signer:
        """Return the signer. Raises ConnectorError without credentials."""
        key, secret = self._connection.get("access_key_id"), self._connection.get("secret_access_key")
        if not key or not secret:
            raise ConnectorError(text("The connection has no access key."), code="authentication_failed")
        return Signer(
            access_key=key,
            secret_key=secret,
            region=self._connection.get("region") or DEFAULT_REGION,
            session_token=self._connection.get("session_token") or "",
        )

    def _error(self, response: HttpResponse) -> ConnectorError:
        root = self._parsed(response)
        is_error = root is not None and local_name(root) == "Error"
        code, message = (_text(root, "Code"), _text(root, "Message")) if root is not None and is_error else ("", "")
        code = code if _CODE.fullmatch(code) else _STATUS_CODES.get(response.status, "")
        said = redact_and_truncate(message.rstrip("."), 300)
        shown = text("The service answered with HTTP %(status)s.", status=response.status)
        if code:
            shown = text("The service answered with HTTP %(status)s, %(code)s.", status=response.status, code=code)
        stable = "authentication_failed" if code in _REFUSED else "access_denied" if code == "AccessDenied" else ""
        return http_error(
            joined([shown, f"{said}." if said else "", _ADVICE.get(code, "")]),
            response,
            code=stable,
            retryable=True if code in _RETRYABLE else None,
        )

    def _parsed(self, response: HttpResponse) -> Element | None:
        try:
            return read_xml(response, self._context)
        except XmlError:
            return None


def is_region(value: Any) -> bool:
    """Whether `value` can be the name of a region."""
    return isinstance(value, str) and _REGION.fullmatch(value) is not None


def modified_at(written: str) -> str:
    """Return a time of an answer as ISO 8601 in UTC, empty for one that cannot be read."""
    try:
        found = dt.datetime.fromisoformat(written)
    except ValueError:
        return ""
    return (found if found.tzinfo else found.replace(tzinfo=dt.UTC)).astimezone(dt.UTC).isoformat()


def _object(entry: Element, bucket: str, key: str) -> dict[str, Any]:
    return {
        "bucket": bucket,
        "key": key,
        "name": key.rpartition("/")[2],
        "size": read_number(_text(entry, "Size")) or 0,
        "etag": _text(entry, "ETag").strip('"'),
        "modified": modified_at(_text(entry, "LastModified")),
        "storage_class": _text(entry, "StorageClass") or "STANDARD",
    }


def _text(parent: Element, name: str) -> str:
    return parent.findtext(f"{{*}}{name}") or ""
