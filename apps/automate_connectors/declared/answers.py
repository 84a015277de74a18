"""What an answer means: its result, or an error that people can read, with the time to wait where there is one."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from automate_connectors.adapters.base import NEEDS_RECONNECT, ConnectorError
from automate_connectors.declared.document import ActionPart, Document, RateLimit
from automate_connectors.paging import value_at
from automate_connectors.web import RETRYABLE_STATUSES, http_error, read_json
from automate_egress import HttpResponse
from automate_governance.redaction.redactor import redact_and_truncate
from automate_governance.redaction.token_patterns import MASK
from automate_plugins import ntext, text
from automate_plugins.texts import joined

RATE_LIMITED = "rate_limited"
_LONGEST_REASON = 500
_LONGEST_WAIT = 86_400.0  #: seconds
_JSON_NAMES = {dict: text("a mapping"), list: text("a list")}
_ADVICE = {
    401: text("Reconnect the connection or replace its credentials."),
    403: text("The credentials lack a permission for this call."),
    404: text("Check the IDs and the permissions of the credentials."),
}


def check(document: Document, request: str, response: HttpResponse, secrets: Iterable[str]) -> None:
    """Raise ConnectorError for an answer that has failed. `request` is shown: a method and a path.

    `secrets` are masked in what the service says, which may quote them.
    """
    if not 200 <= response.status < 300 or _has_failed(document, response):
        raise _refusal(document, request, response, list(secrets))


def result_of(action: ActionPart, name: str, response: HttpResponse) -> Any:
    """Return the result of a good answer that is no file. Raises ConnectorError for an answer of another shape."""
    match action.answer:
        case "none":
            if response.body and response.headers.get("content-type", "").startswith("text/html"):
                read_json(response)  # a page of a proxy or a sign-in: nothing was done
            return {"status": response.status}
        case "text":
            return {"text": response.text}
    return output_of(value_at(read_json(response), action.result), action, name, response)


def output_of(found: Any, action: ActionPart, name: str, response: HttpResponse) -> Any:
    """Return the output for a result, of pages for one item. Raises ConnectorError for one unlike the sample."""
    checked = _expect_kind(found, action, name, response)
    return [selected(each, action) for each in checked] if isinstance(checked, list) else selected(checked, action)


def selected(found: Any, action: ActionPart) -> Any:
    """Return what `select` keeps of a result; without it, the result."""
    if not action.select:
        return found
    return {name: _at(found, path) for name, path in action.select.items()}


def _at(found: Any, path: str) -> Any:
    """Return the value at a path; `labels[].name` are the names of all labels."""
    place, is_list, rest = path.partition("[].")
    value = value_at(found, place)
    if not is_list:
        return value
    return [value_at(each, rest) for each in value] if isinstance(value, list) else []


def _expect_kind(found: Any, action: ActionPart, name: str, response: HttpResponse) -> Any:
    """Return a result that is a mapping or a list as the sample is. Raises ConnectorError for any other."""
    wanted = list if isinstance(action.sample, list) else dict
    if action.sample is not None and not isinstance(action.sample, dict | list):
        return found
    if not isinstance(found, wanted):
        message = text("The response from %(service)s is not %(kind)s.", service=name, kind=_JSON_NAMES[wanted])
        raise http_error(message, response, code="invalid_answer", retryable=False)
    return found


def _has_failed(document: Document, response: HttpResponse) -> bool:
    errors = document.errors
    failures = [errors.failure] if isinstance(errors.failure, str) else errors.failure
    if not (errors.success or any(failures)):
        return False
    found = _json_of(response)
    if errors.success and value_at(found, errors.success) is not True:
        return isinstance(found, dict)
    return any(path and value_at(found, path) for path in failures)


def _refusal(document: Document, request: str, response: HttpResponse, secrets: list[str]) -> ConnectorError:
    found, errors, name = _json_of(response), document.errors, document.name
    said = _sentence(_masked(_first_text(found, errors.message), secrets))
    code = _masked(_first_text(found, errors.code), secrets)[:100]
    if _is_limit(document.rate_limit, response):
        wait = _seconds(document.rate_limit, response, found)
        asked = text("%(service)s received too many requests.", service=name)
        if wait is not None:
            asked = ntext(
                "%(service)s asks to wait %(count)s second.",
                "%(service)s asks to wait %(count)s seconds.",
                round(wait),
                service=name,
            )
        return _error(joined([asked, said]), response, secrets, code=RATE_LIMITED, retryable=True, wait=wait)
    values = {"service": name, "request": request, "status": str(response.status)}
    refusal = text("%(service)s rejected %(request)s with HTTP %(status)s.", **values)
    if said and response.status < 300:
        refusal = text("%(service)s rejected %(request)s: %(message)s", message=said, **values)
    elif said:
        refusal = text("%(service)s rejected %(request)s with HTTP %(status)s: %(message)s", message=said, **values)
    advice = errors.advice.get(code) or errors.advice.get(str(response.status)) or _ADVICE.get(response.status, "")
    retryable = response.status in RETRYABLE_STATUSES or code in errors.retry
    is_refused = response.status == 401 or code in errors.reconnect
    return _error(
        joined([refusal, advice]),
        response,
        secrets,
        code=NEEDS_RECONNECT if is_refused else "",
        retryable=retryable and not is_refused,
        more={"reason": code} if code else {},
    )


def _error(
    message: str, response: HttpResponse, secrets: list[str], *, more: Mapping[str, str] | None = None, **options: Any
) -> ConnectorError:
    error = http_error(message, response, **options)
    error.details = {**error.details, "body": _masked(str(error.details["body"]), secrets), **(more or {})}
    return error


def _json_of(response: HttpResponse) -> Any:
    try:
        return response.json()
    except (ValueError, RecursionError):
        return None


def _first_text(document: Any, paths: list[str]) -> str:
    """Return the first text or number at one of the paths; of a list of texts, all."""
    for path in paths:
        found = value_at(document, path)
        if isinstance(found, list) and all(isinstance(each, str) for each in found):
            found = "; ".join(found)
        if isinstance(found, str | int | float) and found not in ("", False):
            return str(found)
    return ""


def _masked(message: str, secrets: list[str]) -> str:
    for secret in secrets:
        message = message.replace(secret, MASK)
    return redact_and_truncate(message, _LONGEST_REASON)


def _sentence(message: str) -> str:
    return f"{message.strip().rstrip('.')}." if message.strip() else ""


def _is_limit(rule: RateLimit, response: HttpResponse) -> bool:
    used_up = bool(rule.remaining) and response.headers.get(rule.remaining, "").strip() == "0"
    return response.status in rule.statuses or (response.status == 403 and used_up)


def _seconds(rule: RateLimit, response: HttpResponse, document: Any) -> float | None:
    """Return how long to wait: as Retry-After says, or the answer, or the header of the limit's end, or the rule."""
    if response.retry_after is not None:
        return response.retry_after
    inside = value_at(document, rule.wait_at) if rule.wait_at else None
    if isinstance(inside, int | float) and not isinstance(inside, bool) and inside >= 0:
        return float(min(inside, _LONGEST_WAIT))
    try:
        reset = float(response.headers.get(rule.reset, "")) if rule.reset else None
    except ValueError:
        reset = None
    if reset is not None:
        wait = {"epoch": reset - time.time(), "seconds": reset, "milliseconds": reset / 1000}[rule.reset_in]
        return min(max(1.0, wait), _LONGEST_WAIT)
    return rule.wait
