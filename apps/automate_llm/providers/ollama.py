"""Ollama's API, for self-hosted models.

Protocol: POST {base_url}/api/chat, https://github.com/ollama/ollama/blob/main/docs/api.md.
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
from automate_plugins import ntext, text

_OPTIONS = {"temperature": "temperature", "max_tokens": "num_predict", "top_p": "top_p", "seed": "seed", "stop": "stop"}


class OllamaProvider(LLMProvider):
    """Reaches `connection["base_url"]`; a private address has to be named in the setting AUTOMATE_EGRESS_ALLOW."""

    name = "Ollama"
    description = text(
        "Reaches the base URL of the connection. A private address must be allowed in AUTOMATE_EGRESS_ALLOW."
    )
    default_base_url = "http://localhost:11434"
    capabilities = frozenset(Capability)

    def chat(self, messages: list[dict[str, Any]], options: dict[str, Any]) -> str:
        """One answer. Raises LLMProviderError, with `retryable` for 429 and 5xx."""
        body: dict[str, Any] = {
            "model": options["model"],
            "messages": messages,
            "stream": False,
            "truncate": False,  # a prompt that is too long is an error, not half a prompt
            "shift": False,
            "options": {theirs: options[name] for name, theirs in _OPTIONS.items() if options.get(name) is not None},
        }
        if options.get("schema") is not None:
            body["format"] = options["schema"]
        url = f"{base_url(options, self.default_base_url)}/api/chat"
        return _text(
            exchange(options, "POST", url, headers=_headers(options), body=body, read_refusal=_read_refusal), options
        )

    def count_tokens(self, text: str) -> int:
        """An estimate: each model has a vocabulary of its own."""
        return tokens.estimate_tokens(text)

    def models(self, options: dict[str, Any]) -> list[str]:
        """The names in the service's list."""
        url = f"{base_url(options, self.default_base_url)}/api/tags"
        return list_names(
            exchange(options, "GET", url, headers=_headers(options), read_refusal=_read_refusal).get("models"), "name"
        )

    def check(self, options: dict[str, Any]) -> str:
        """Ask for the list of models."""
        return ntext("%(count)s model available.", "%(count)s models available.", len(self.models(options)))


def _headers(options: dict[str, Any]) -> dict[str, str]:
    key = api_key(options)
    return {"Authorization": f"Bearer {key}"} if key else {}


def _text(answer: dict[str, Any], options: dict[str, Any]) -> str:
    cut_off = answer.get("done_reason") == "length"
    # What the prompt shares with the one before is not counted again, and may be left out.
    report_usage(options, answer.get("prompt_eval_count"), answer.get("eval_count"), cut_off=cut_off)
    message = answer.get("message")
    if not isinstance(message, dict):
        raise LLMProviderError(text("The model server's response has no message."), code="invalid_answer")
    if answer.get("done") is not True:
        raise LLMProviderError(text("The model server sent an incomplete response."), code="invalid_answer")
    return message_text(message.get("content"), asks_for_tool=bool(message.get("tool_calls")))


def _read_refusal(body: Any) -> Refusal:
    return Refusal("", str(body["error"]))
