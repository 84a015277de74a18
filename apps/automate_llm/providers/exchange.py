"""The shared part of the shipped providers: one JSON request, and the translation of its failures."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from automate_connectors.web import request_id
from automate_governance.redaction.redactor import redact_and_truncate
from automate_llm.providers.base import LLMProviderError, TokenUsage
from automate_llm.reported_usage import is_count
from automate_plugins import text
from automate_plugins.texts import joined

_SHOWN = 300
_CONTEXT = re.compile(
    r"context.{0,3}(length|window|size)|maximum context|prompt is too long|too many tokens|exceed_context",
    re.IGNORECASE,
)
_QUOTA = re.compile(r"insufficient_quota|billing|credit balance", re.IGNORECASE)
_FORM = re.compile(r"response_format|output_config|output_format|json_schema|structured output", re.IGNORECASE)
_UNSUPPORTED = re.compile(
    r"unsupported|not support|deprecated|removed|not (permitted|allowed|accepted)|only the default|unknown|unrecogni",
    re.IGNORECASE,
)
_STREAMS = ("text/event-stream", "application/x-ndjson")


@dataclass(frozen=True)
class Refusal:
    """A service's error: its own `kind`, and the reason in words."""

    kind: str
    reason: str


def base_url(options: Mapping[str, Any], default: str) -> str:
    """Return the connection's address, or the provider's own, without a trailing slash."""
    connection = options.get("connection") or {}
    return str(connection.get("base_url") or default).rstrip("/")


def api_key(options: Mapping[str, Any]) -> str:
    """Return the connection's key; empty for servers without one."""
    return str((options.get("connection") or {}).get("api_key") or "")


def exchange(
    options: Mapping[str, Any],
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    body: Any = None,
    read_refusal: Callable[[Any], Refusal],
    optional: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Send one request and return its JSON answer; `read_refusal` reads the body of an error.

    `optional` names members of the body that some models reject: a request without them, or with the name that stands
    beside them in their place, is then sent, and the run's log says so. Raises LLMProviderError, EgressError.
    """

    def send() -> Any:
        return options["http"].request(method, url, headers=dict(headers), json=body)

    response = send()
    for _ in optional or {}:
        name = _rejected_member(response, body, optional or {}, read_refusal)
        if not name:
            break
        other = (optional or {})[name]
        body = {other if each == name else each: value for each, value in body.items() if each != name or other}
        if not other and (log := options.get("log")):
            log(text("%(model)s does not accept %(name)s. Asking without it.", model=options["model"], name=name))
        response = send()
    if response.status != 200:
        raise _failure(response, read_refusal, str(options.get("model", "")), api_key(options))
    if response.headers.get("content-type", "").partition(";")[0].strip().lower() in _STREAMS:
        raise LLMProviderError(text("The model server sent a stream, which was not requested."), code="invalid_answer")
    try:
        answer = response.json()
    except ValueError as error:  # UnicodeDecodeError is one
        raise LLMProviderError(text("The model server's response is not JSON."), code="invalid_answer") from error
    except RecursionError:
        raise LLMProviderError(
            text("The model server's response is nested too deeply."), code="invalid_answer"
        ) from None
    if not isinstance(answer, dict):
        raise LLMProviderError(text("The model server's response is not a JSON object."), code="invalid_answer")
    return answer


def _rejected_member(
    response: Any, body: Any, optional: Mapping[str, str], read_refusal: Callable[[Any], Refusal]
) -> str:
    """Return the optional member that the service does not support; "" for any other answer."""
    if response.status not in {400, 422}:
        return ""
    reason = _read_refusal(response, read_refusal).reason
    if not _UNSUPPORTED.search(reason):
        return ""
    return next((name for name in optional if name in body and re.search(rf"\b{name}\b", reason)), "")


def _read_refusal(response: Any, read_refusal: Callable[[Any], Refusal]) -> Refusal:
    try:
        return read_refusal(response.json())
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return Refusal("", response.text)


def list_names(listed: Any, name: str) -> list[str]:
    """Return the member `name` of each mapping in a list; empty for any other answer."""
    found = listed if isinstance(listed, list) else []
    return [each[name] for each in found if isinstance(each, dict) and isinstance(each.get(name), str)]


def report_usage(options: Mapping[str, Any], tokens_in: Any, tokens_out: Any, *, cut_off: bool) -> None:
    """Call `on_usage`, if it and the numbers are there."""
    on_usage = options.get("on_usage")
    if on_usage and is_count(tokens_in) and is_count(tokens_out):
        on_usage(TokenUsage(tokens_in=tokens_in, tokens_out=tokens_out, cut_off=cut_off))


def message_text(content: Any, *, asks_for_tool: bool) -> str:
    """Return the text of a message. Raises LLMProviderError when there is none."""
    if asks_for_tool:
        raise LLMProviderError(text("The model requested a tool, but tools are not available."), code="invalid_answer")
    if not isinstance(content, str):
        raise LLMProviderError(text("The model server's response has no message."), code="invalid_answer")
    return content.encode("utf-8", "replace").decode()  # JSON can hold halves of characters


def _failure(response: Any, read_refusal: Callable[[Any], Refusal], model: str, key: str) -> LLMProviderError:
    refusal = _read_refusal(response, read_refusal)
    reason = refusal.reason.replace(key, "***") if key else refusal.reason  # some services quote the key
    code, retryable, advice = _classify_refusal(response.status, refusal, model)
    reason = redact_and_truncate(" ".join(reason.split()), _SHOWN)
    return LLMProviderError(
        joined([advice, f"(HTTP {response.status}: {reason})" if reason else f"(HTTP {response.status})"]),
        code=code,
        retryable=retryable,
        retry_after=response.retry_after if retryable else None,
        refused=True,
        details=request_id(response.headers),
    )


def _classify_refusal(status: int, refusal: Refusal, model: str) -> tuple[str, bool, str]:
    """Return (code, whether it may be retried, what it means for the reader)."""
    given = f"{refusal.kind} {refusal.reason}"
    if status in {401, 403}:
        return "authentication_failed", False, text("The model server rejected the API key of the connection.")
    if _QUOTA.search(given) and status in {400, 402, 429}:
        return "quota_exhausted", False, text("The account at the model provider has no credit left.")
    if status == 429:
        return "http_429", True, text("The model server received too many requests.")
    if status == 413 or (_CONTEXT.search(given) and status < 600):
        return "context_too_long", False, text("The prompt is too long for the model. Shorten it.")
    if status in {400, 422, 501} and _FORM.search(given):
        advice = text("The model does not support structured output. Turn it off in the connection.")
        return "structured_output_refused", False, advice
    if status == 404:
        return (
            "model_not_found",
            False,
            text("The server has no model %(model)s. Check the model and the base URL of the connection.", model=model),
        )
    if status == 408 or status >= 500:
        return f"http_{status}", True, text("The model server failed.")
    return f"http_{status}", False, text("The model server rejected the request.")
