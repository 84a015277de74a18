"""OpenAI's chat completions, as OpenAI and the many servers compatible with it speak them.

Protocol: POST {base_url}/chat/completions, https://platform.openai.com/docs/api-reference/chat.
"""

from __future__ import annotations

from typing import Any

from automate_llm.providers.base import LLMProvider, LLMProviderError

DEFAULT_BASE_URL = "https://api.openai.com/v1"
_PASSED_ON = ("temperature", "max_tokens", "top_p", "seed", "stop")
_CHARACTERS_PER_TOKEN = 4  # OpenAI's rule of thumb for English text


class OpenAICompatibleProvider(LLMProvider):
    """Reaches `connection["base_url"]` with `connection["api_key"]` as the bearer token (none for local servers)."""

    def chat(self, messages: list[dict[str, Any]], options: dict[str, Any]) -> str:
        """One completion. Raises LLMProviderError, with `retryable` for 429 and 5xx."""
        connection = options.get("connection") or {}
        key = connection.get("api_key")
        body = {"model": options["model"], "messages": messages}
        body |= {name: options[name] for name in _PASSED_ON if options.get(name) is not None}
        response = options["http"].request(
            "POST",
            f"{(connection.get('base_url') or DEFAULT_BASE_URL).rstrip('/')}/chat/completions",
            headers={"Authorization": f"Bearer {key}"} if key else {},
            json=body,
        )
        if response.status != 200:
            raise _error(response)
        try:
            content = response.json()["choices"][0]["message"]["content"]
        except (ValueError, LookupError, TypeError) as error:
            raise LLMProviderError("the model server's answer has no message", code="invalid_answer") from error
        return content or ""

    def count_tokens(self, text: str) -> int:
        """About a token for every four characters."""
        return -(-len(text) // _CHARACTERS_PER_TOKEN)


def _error(response: Any) -> LLMProviderError:
    wait = response.headers.get("retry-after", "")
    return LLMProviderError(
        f"the model server answered HTTP {response.status}: {_reason(response)}",
        code=f"http_{response.status}",
        retryable=response.status == 429 or response.status >= 500,
        retry_after=float(wait) if wait.isdecimal() else None,
    )


def _reason(response: Any) -> str:
    try:
        return str(response.json()["error"]["message"])[:300]
    except (ValueError, LookupError, TypeError):
        return response.text[:300] or "no reason given"
