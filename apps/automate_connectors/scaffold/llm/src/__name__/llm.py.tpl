"""$title as a language model provider."""

from __future__ import annotations

from typing import Any

from automate_llm.providers.base import LLMProvider, LLMProviderError
from automate_llm.providers.options import ChatOptions


class $class_name(LLMProvider):
    """Sends each conversation as one request, through the session in the options."""

    name = "$title"
    default_base_url = "https://llm.example.com/v1"

    def chat(self, messages: list[dict[str, Any]], options: ChatOptions) -> str:
        """Return the model's answer."""
        connection = options["connection"]
        base = str(connection.get("base_url") or self.default_base_url).rstrip("/")
        wanted = {name: options.get(name) for name in ("model", "temperature", "max_tokens")}
        response = options["http"].request(
            "POST",
            f"{base}/chat",
            headers={"Authorization": f"Bearer {connection.get('api_key', '')}"},
            json={"messages": messages, **{name: value for name, value in wanted.items() if value is not None}},
        )
        if response.status >= 400:
            raise LLMProviderError(
                f"The model server responded with HTTP {response.status}.",
                code=f"http_{response.status}",
                retryable=response.status == 429 or response.status >= 500,
                retry_after=response.retry_after,
                refused=True,  # it cost nothing
            )
        try:
            return str(response.json()["text"])
        except (ValueError, KeyError, TypeError) as error:
            raise LLMProviderError("The model server's response has no text.") from error

    def count_tokens(self, text: str) -> int:
        """Estimate four characters per token."""
        return (len(text) + 3) // 4
