"""OpenAI's chat completions, as OpenAI and the many servers compatible with it speak them.

Protocol: POST {base_url}/chat/completions, https://platform.openai.com/docs/api-reference/chat.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from automate_governance.redaction.redactor import redact_and_truncate
from automate_llm import tokens
from automate_llm.providers.base import Capability, LLMProvider, LLMProviderError
from automate_llm.providers.exchange import (
    Refusal,
    api_key,
    base_url,
    exchange,
    list_names,
    message_text,
    report_usage,
)
from automate_llm.schemas import to_portable_schema
from automate_plugins import ntext, text

# What strict mode knows beyond the common ground: https://platform.openai.com/docs/guides/structured-outputs.
_STRICT = frozenset(
    {"format", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minItems", "maxItems"}
)
_FORWARDED_OPTIONS = ("temperature", "top_p", "seed", "stop")
_OPTIONAL = {"temperature": "", "top_p": "", "seed": "", "max_tokens": "max_completion_tokens"}  # of reasoning models
_OPENAI_HOSTS = (".openai.com", ".openai.azure.com", ".services.ai.azure.com", ".cognitiveservices.azure.com")


class OpenAICompatibleProvider(LLMProvider):
    """Reaches `connection["base_url"]` with `connection["api_key"]` as the bearer token (none for local servers)."""

    name = text("OpenAI and compatible servers")
    description = text("Reaches the base URL of the connection with its API key; local servers need none.")
    default_base_url = "https://api.openai.com/v1"
    capabilities = frozenset(Capability)

    def chat(self, messages: list[dict[str, Any]], options: dict[str, Any]) -> str:
        """One completion. Raises LLMProviderError, with `retryable` for 429 and 5xx."""
        url = base_url(options, self.default_base_url)
        body: dict[str, Any] = {"model": options["model"], "messages": messages, "stream": False}
        body |= {name: options[name] for name in _FORWARDED_OPTIONS if options.get(name) is not None}
        is_openai = _is_openai(url)
        if options.get("max_tokens") is not None:
            # Compatible servers know the old name alone; OpenAI's newer models the new one.
            body["max_completion_tokens" if is_openai else "max_tokens"] = options["max_tokens"]
        if options.get("schema") is not None:
            form = _format(options["schema"], is_openai=is_openai)
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        answer = exchange(
            options,
            "POST",
            f"{url}/chat/completions",
            headers=_headers(options),
            body=body,
            read_refusal=_read_refusal,
            optional=_OPTIONAL,
        )
        return _text(answer, options)

    def count_tokens(self, text: str) -> int:
        """An estimate: servers use many vocabularies."""
        return tokens.estimate_tokens(text)

    def models(self, options: dict[str, Any]) -> list[str]:
        """The names in the service's list."""
        url = f"{base_url(options, self.default_base_url)}/models"
        return list_names(
            exchange(options, "GET", url, headers=_headers(options), read_refusal=_read_refusal).get("data"), "id"
        )

    def check(self, options: dict[str, Any]) -> str:
        """Ask for the list of models."""
        return ntext("%(count)s model available.", "%(count)s models available.", len(self.models(options)))


def _is_openai(url: str) -> bool:
    """Whether the models of OpenAI answer there: at its own hosts, in all regions, or at Azure."""
    return f".{urlsplit(url).hostname or ''}".endswith(_OPENAI_HOSTS)


def _headers(options: dict[str, Any]) -> dict[str, str]:
    key = api_key(options)
    return {"Authorization": f"Bearer {key}"} if key else {}


def _format(schema: dict[str, Any], *, is_openai: bool) -> dict[str, Any]:
    """Strict at OpenAI, where the schema says all that it asks for: each object closed, each property required.

    Other servers hold to the whole schema, or to as much of it as they know.
    """
    strict = to_portable_schema(schema, all_required=True, also=_STRICT) if is_openai else None
    return {"name": "answer", "schema": strict or schema, "strict": strict is not None}


def _text(answer: dict[str, Any], options: dict[str, Any]) -> str:
    usage = answer.get("usage") or {}
    try:
        choice = answer["choices"][0]
        message, finish = choice["message"], choice.get("finish_reason")
        report_usage(options, usage.get("prompt_tokens"), usage.get("completion_tokens"), cut_off=finish == "length")
        content, refusal, tools = message.get("content"), message.get("refusal"), message.get("tool_calls")
    except (LookupError, TypeError, AttributeError) as error:
        raise LLMProviderError(text("The model server's response has no message."), code="invalid_answer") from error
    if refusal or finish == "content_filter":
        message = text("The provider's content filter blocked the answer.")
        if refusal:
            message = text("The model refused to answer: %(reason)s", reason=redact_and_truncate(str(refusal), 300))
        raise LLMProviderError(message, code="model_refused")
    return message_text("" if content is None and finish == "length" else content, asks_for_tool=bool(tools))


def _read_refusal(body: Any) -> Refusal:
    error = body["error"]
    if isinstance(error, str):
        return Refusal("", error)
    return Refusal(f"{error.get('code') or ''} {error.get('type') or ''}", str(error["message"]))
