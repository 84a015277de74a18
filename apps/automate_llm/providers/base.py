"""The contract of a language-model provider. The shipped providers are in the same package."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from typing import Any

from automate_llm.providers.options import ChatOptions
from automate_llm.providers.options import TokenUsage as TokenUsage


class LLMProviderError(Exception):
    """The model gave no answer. `code`, `retryable`, `retry_after` (seconds) and `details` are those of ConnectorError.

    `refused` says that the service turned the call down, so that it cost nothing.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "llm_error",
        retryable: bool = False,
        retry_after: float | None = None,
        refused: bool = False,
        details: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.details = details or {}
        self.code = code
        self.retryable = retryable
        self.retry_after = retry_after
        self.refused = refused


class Capability(enum.StrEnum):
    """Optional features of a provider: the keys of `options` that it honours beyond the contract."""

    STRUCTURED_OUTPUT = "structured_output"  #: `schema`: the answer is a JSON document of that schema
    USAGE = "usage"  #: `on_usage`: called once for each answer, with a `TokenUsage`
    CANCELLATION = "cancellation"  #: `cancelled`: asked while waiting; a call that is not wanted any more ends early


class LLMProvider(ABC):
    """A way to reach language models. Made without arguments, shared by threads, found in the group
    `django_automate.llm.providers`.

    `default_base_url` is where it goes when the connection names no `base_url`. `description` says on the page Plug-ins
    what the provider reaches; without one it is the first line of the docstring.
    """

    name: str = ""
    description: str = ""
    default_base_url: str = ""
    capabilities: frozenset[Capability] = frozenset()

    @abstractmethod
    def chat(self, messages: list[dict[str, Any]], options: ChatOptions) -> str:
        """Synchronous chat completion: the text of the model's next message.

        `messages` are `{"role": "system" | "user" | "assistant", "content": text}`, oldest first. `options` holds
        `model`, `http` (the guarded session), `connection` (the configuration with plain secrets), optionally
        `temperature` and `max_tokens`, and the keys of the capabilities; further keys are the provider's own. Raises
        LLMProviderError.
        """

    @abstractmethod
    def count_tokens(self, text: str) -> int:
        """Estimate token usage."""

    def check(self, options: ChatOptions) -> str:
        """Optional: try the connection without asking a model; `options` holds `http` and `connection`.

        Returns a line for people. Raises LLMProviderError.
        """
        raise NotImplementedError

    def models(self, options: ChatOptions) -> list[str]:
        """Optional: the names of the models that the connection can ask; `options` holds `http` and `connection`.

        Raises LLMProviderError.
        """
        raise NotImplementedError

    @property
    def can_list(self) -> bool:
        """Whether `models` is there."""
        return type(self).models is not LLMProvider.models

    @property
    def can_check(self) -> bool:
        """Whether `check` is there."""
        return type(self).check is not LLMProvider.check
