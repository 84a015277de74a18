"""Anthropic's Messages API.

Protocol: POST {base_url}/v1/messages, version 2023-06-01, https://docs.anthropic.com/en/api/messages.
"""

from __future__ import annotations

from typing import Any

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

VERSION = "2023-06-01"
DEFAULT_MAX_TOKENS = 2_000  # the API wants a number
_FORWARDED_OPTIONS = {"temperature": "temperature", "top_p": "top_p", "stop": "stop_sequences"}
_OPTIONAL = {"temperature": "", "top_p": ""}  # models since 4.7 reject them
_MOST_MODELS = 1_000  # that a list may have; without a limit it has 20
_INPUT = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


class AnthropicProvider(LLMProvider):
    """Reaches Anthropic, or `connection["base_url"]`, with `connection["api_key"]`."""

    name = "Anthropic"
    description = text("Reaches Anthropic or the base URL of the connection, with the API key of the connection.")
    default_base_url = "https://api.anthropic.com"
    capabilities = frozenset(Capability)

    def chat(self, messages: list[dict[str, Any]], options: dict[str, Any]) -> str:
        """One message. Raises LLMProviderError, with `retryable` for 429, 529 and 5xx."""
        body: dict[str, Any] = {
            "model": options["model"],
            "max_tokens": options.get("max_tokens") or DEFAULT_MAX_TOKENS,
            "messages": [message for message in messages if message["role"] != "system"],
            "stream": False,
        }
        if system := "\n\n".join(message["content"] for message in messages if message["role"] == "system"):
            body["system"] = system
        body |= {theirs: options[name] for name, theirs in _FORWARDED_OPTIONS.items() if options.get(name) is not None}
        schema = to_portable_schema(options["schema"]) if options.get("schema") is not None else None
        if schema is not None:
            body["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
        url = f"{_root(options, self.default_base_url)}/v1/messages"
        answer = exchange(
            options, "POST", url, headers=_headers(options), body=body, read_refusal=_read_refusal, optional=_OPTIONAL
        )
        return _text(answer, options)

    def count_tokens(self, text: str) -> int:
        """An estimate: the vocabulary is not published."""
        return tokens.estimate_tokens(text)

    def models(self, options: dict[str, Any]) -> list[str]:
        """The names in the service's list."""
        url = f"{_root(options, self.default_base_url)}/v1/models?limit={_MOST_MODELS}"
        return list_names(
            exchange(options, "GET", url, headers=_headers(options), read_refusal=_read_refusal).get("data"), "id"
        )

    def check(self, options: dict[str, Any]) -> str:
        """Ask for the list of models."""
        return ntext("%(count)s model available.", "%(count)s models available.", len(self.models(options)))


def _root(options: dict[str, Any], default: str) -> str:
    return base_url(options, default).removesuffix("/v1")


def _headers(options: dict[str, Any]) -> dict[str, str]:
    key = api_key(options)
    return {"anthropic-version": VERSION, **({"x-api-key": key} if key else {})}


def _text(answer: dict[str, Any], options: dict[str, Any]) -> str:
    usage, stop = answer.get("usage") or {}, answer.get("stop_reason")
    try:
        counts = [usage.get(name) or 0 for name in _INPUT] if "input_tokens" in usage else []
        read = sum(counts) if counts else None
        report_usage(options, read, usage.get("output_tokens"), cut_off=stop == "max_tokens")
        blocks = answer["content"]
        kinds = {block["type"] for block in blocks}
        parts = [block["text"] for block in blocks if block["type"] == "text"]
        content = "".join(parts) if parts or stop == "max_tokens" else None
    except (LookupError, TypeError, AttributeError) as error:
        raise LLMProviderError(text("The model server's response has no message."), code="invalid_answer") from error
    if stop == "refusal":
        raise LLMProviderError(text("The model refused to answer."), code="model_refused")
    return message_text(content, asks_for_tool=stop == "tool_use" or "tool_use" in kinds)


def _read_refusal(body: Any) -> Refusal:
    error = body["error"]
    return Refusal(str(error.get("type") or ""), str(error["message"]))
