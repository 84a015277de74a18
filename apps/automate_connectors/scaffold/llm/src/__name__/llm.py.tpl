"""$title as a provider of language models."""

from __future__ import annotations

from typing import Any

from automate_llm.providers.base import LLMProvider, LLMProviderError


class $class_name(LLMProvider):
    """One question, one answer, through the session that the platform hands in."""

    def chat(self, messages: list[dict[str, Any]], options: dict[str, Any]) -> str:
        """The text of the model's answer."""
        connection = options.get("connection") or {}
        base = str(connection.get("base_url") or "https://llm.example.com/v1").rstrip("/")
        response = options["http"].request(
            "POST",
            f"{base}/chat",
            headers={"Authorization": f"Bearer {connection.get('api_key', '')}"},
            json={"model": options.get("model"), "messages": messages},
        )
        if response.status >= 400:
            wait = response.headers.get("retry-after", "")
            raise LLMProviderError(
                f"the model answered with HTTP {response.status}",
                code=f"http_{response.status}",
                retryable=response.status == 429 or response.status >= 500,
                retry_after=float(wait) if wait.isdecimal() else None,
                refused=True,  # it cost nothing
            )
        try:
            return str(response.json()["text"])
        except (ValueError, KeyError, TypeError) as error:
            raise LLMProviderError("the model's answer holds no text") from error

    def count_tokens(self, text: str) -> int:
        """About four characters a token."""
        return (len(text) + 3) // 4
