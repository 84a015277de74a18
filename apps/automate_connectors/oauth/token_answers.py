"""Answers of token endpoints, in whatever form a provider gives them, as `Tokens` or `RefusedError`."""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, TypeGuard
from urllib.parse import urlsplit

from automate_connectors.oauth.addresses import is_below
from automate_connectors.oauth.catalogue import KeptValue, Provider
from automate_connectors.oauth.scopes import granted_scopes
from automate_egress import HttpResponse
from automate_governance.redaction.redactor import learn_entered

log = logging.getLogger(__name__)

BUSY_STATUSES = frozenset({408, 425, 429})  # with those of 500 and more: failures that pass
_MAX_TOKEN_LENGTH = 16_000
_MAX_LIFETIME = 10 * 365 * 86_400  # seconds that a token is taken to hold at most
MOST_KEPT = 500  # characters of a value
_REFRESH_LIFETIMES = ("refresh_token_expires_in", "x_refresh_token_expires_in", "refresh_expires_in")


class RefusedError(Exception):
    """The endpoint's refusal (RFC 6749, section 5.2). Authlib's own error rejects quotes in a description.

    `skew` is how many seconds the endpoint's clock is ahead of ours.
    """

    def __init__(self, error: object, description: object = None, skew: float = 0.0) -> None:
        super().__init__(error)
        self.code, self.description, self.skew = _storable(error), _storable(description or ""), skew


class UnavailableError(ValueError):
    """An answer that is none, or a failure that passes. `retry_after` is in seconds, if the provider named it."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of an endpoint's answer; lifetimes in seconds, None where they are unknown. Never prints its values.

    `kept` are the values that the provider's row keeps; `credential_ends_at` is the end of the certificate with which
    they were requested; `scopes` are those that the provider says it granted.
    """

    access: str
    refresh: str
    lifetime: int | None
    refresh_lifetime: int | None = None
    kept: Mapping[str, str] = field(default_factory=dict)
    credential_ends_at: dt.datetime | None = None
    scopes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Tokens(lifetime={self.lifetime})"


class TokenAnswer:
    """A response of a token endpoint, in the form that Authlib reads."""

    def __init__(self, response: HttpResponse, row: Provider, token_path: str) -> None:
        self._response, self._row, self._path = response, row, token_path
        passing = response.status in BUSY_STATUSES or 300 <= response.status < 400
        self.status_code = 503 if passing else response.status  # those of 500 and more are not looked into

    def json(self) -> dict[str, Any]:
        """Return the answer by the names of RFC 6749, with the whole one as `answer`. Raises ValueError,
        RecursionError, UnavailableError.
        """
        answer = self._response.json()
        if not isinstance(answer, dict):
            raise UnavailableError("not a JSON object")
        if (code := self._error_code(answer)) is not None:
            return {"error": code, "error_description": _description(answer)}
        parent, _, name = self._path.rpartition(".")
        beside = _find(answer, parent) if parent else answer
        beside = beside if isinstance(beside, dict) else {}
        lifetime = _seconds(beside.get("expires_in"))
        found = {
            "access_token": beside.get(name),
            "expires_in": self._until(beside.get("expires_at")) if lifetime is None else lifetime,
            "answer": answer,
            "beside": beside,
        }
        return {**found, "refresh_token": beside["refresh_token"]} if beside.get("refresh_token") else found

    def raise_for_status(self) -> None:
        """Raises UnavailableError for an answer that is an error."""
        if self._response.status >= 300:
            raise UnavailableError(f"HTTP {self._response.status}", self._response.retry_after)

    @property
    def skew(self) -> float:
        """How many seconds the other side's clock is ahead of ours; 0 where it does not tell the time."""
        now = self._clock()
        return 0.0 if now is None else now.timestamp() - time.time()

    def _error_code(self, answer: Mapping[str, Any]) -> str | None:
        error = answer.get("error")
        if isinstance(error, dict):
            error = error.get("code") or error.get("type") or error.get("status") or "error"
        if error:
            return _storable(error)
        if self._response.status < 400:
            return None
        named = _find(answer, self._row.error_path) if self._row.error_path else None
        code = named if isinstance(named, str) and named else f"http_{self._response.status}"
        if code not in self._row.errors and code.startswith("http_"):  # it may come from something in between
            raise UnavailableError(f"HTTP {self._response.status}", self._response.retry_after)
        return code

    def _clock(self) -> dt.datetime | None:
        try:
            return parsedate_to_datetime(self._response.headers.get("date", ""))
        except (ValueError, TypeError):
            return None

    def _until(self, moment: object) -> int | None:
        """Return the seconds until an ISO time, by the clock of the side that wrote it."""
        try:
            ends_at = dt.datetime.fromisoformat(moment) if isinstance(moment, str) else None
            if ends_at is None or ends_at.tzinfo is None:
                return None
            return _seconds((ends_at - (self._clock() or dt.datetime.now(dt.UTC))).total_seconds())
        except (ValueError, TypeError, OverflowError):
            return None


def read_tokens(
    found: Mapping[str, Any], row: Provider, *, refresh: str = "", credential_ends_at: dt.datetime | None = None
) -> Tokens:
    """Return the tokens of what `TokenAnswer.json` gave; without a new refresh token, `refresh` is kept.

    Raises UnavailableError.
    """
    access, renewed = found.get("access_token"), found.get("refresh_token") or refresh
    if not (
        _is_token(access) and (renewed == "" or _is_token(renewed)) and len(access) + len(renewed) < _MAX_TOKEN_LENGTH
    ):
        raise UnavailableError("no valid access_token")
    learn_entered(*filter(None, (access, renewed)))
    beside = found.get("beside") or {}
    named = (_seconds(beside.get(name)) for name in _REFRESH_LIFETIMES)
    usual = row.refresh_days * 86_400 if row.refresh_days and found.get("refresh_token") else None
    kept = {name: value for name, rule in row.keep.items() if (value := _kept(name, rule, found.get("answer") or {}))}
    return Tokens(
        access,
        renewed,
        found.get("expires_in"),
        next((seconds for seconds in named if seconds), usual),
        kept,
        credential_ends_at,
        tuple(granted_scopes(beside)),
    )


def _kept(name: str, rule: KeptValue, answer: Mapping[str, Any]) -> str:
    """Return a value to keep; empty where it is missing or leads to a host that it may not."""
    value = _find(answer, rule.path)
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    written = _storable(value)
    if not written.isprintable() or len(written) > MOST_KEPT:
        return ""
    if rule.domains and not _leads_below(written, rule.domains):
        log.warning("the value %s of a token answer is not an https address below %s", name, ", ".join(rule.domains))
        return ""
    return written


def _leads_below(url: str, domains: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" and parts.netloc == parts.hostname and is_below(parts.netloc, domains)
    except ValueError:
        return False


def _find(answer: Any, path: str) -> Any:
    for name in path.split("."):
        answer = answer.get(name) if isinstance(answer, dict) else None
    return answer


def _description(answer: Mapping[str, Any]) -> object:
    error = answer.get("error")
    nested = error.get("message") if isinstance(error, dict) else None
    return answer.get("error_description") or nested or answer.get("message")


def _is_token(value: object) -> TypeGuard[str]:
    """Printable ASCII (RFC 6749, appendix A.12)."""
    return isinstance(value, str) and value != "" and value.isascii() and value.isprintable()


def _seconds(value: Any) -> int | None:
    """Return a lifetime; None for an invalid value, and for 0, by which providers mean that there is no end."""
    try:
        return int(min(max(float(value), 0.0), _MAX_LIFETIME)) or None
    except (ValueError, TypeError, ArithmeticError):
        return None


def _storable(value: object) -> str:
    """Return text that a database accepts."""
    return str(value).encode("utf-8", "replace").decode().replace("\0", "\ufffd")
