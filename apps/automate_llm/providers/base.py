"""The contract of a language-model provider. The shipped one is `openai.py`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any


class LLMProviderError(Exception):
    """The model gave no answer. `code`, `retryable` and `retry_after` (seconds) mean the same as on ConnectorError."""

    def __init__(
        self, message: str, *, code: str = "llm_error", retryable: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.retryable = retryable
        self.retry_after = retry_after


class LLMProvider(ABC):
    """A way to reach language models. Made without arguments, shared by threads, found in the group
    `django_automate.llm.providers`.
    """

    @abstractmethod
    def chat(self, messages: list[dict[str, Any]], options: dict[str, Any]) -> str:
        """Synchronous chat completion: the text of the model's next message.

        `messages` are `{"role": "system" | "user" | "assistant", "content": text}`, oldest first. `options` holds
        `model`, `http` (the guarded session), `connection` (the configuration with plain secrets), and optionally
        `temperature` and `max_tokens`; further keys are the provider's own. Raises LLMProviderError.
        """

    @abstractmethod
    def count_tokens(self, text: str) -> int:
        """Estimate token usage."""
