"""Token estimates, rather too high than too low, without any model's own vocabulary."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

CHARACTERS_PER_TOKEN = 4  # OpenAI's rule of thumb for English; other scripts take a token for a character or two
TOKENS_PER_MESSAGE = 4  # role and separators


def estimate_tokens(text: str) -> int:
    """Return a token for every four ASCII characters, and one for every other character."""
    others = sum(not character.isascii() for character in text)
    return -(-(len(text) - others) // CHARACTERS_PER_TOKEN) + others


def count_message_tokens(messages: Iterable[Mapping[str, Any]], count: Any) -> int:
    """Return the tokens of a conversation, by a provider's `count_tokens`."""
    return sum(count(message["content"]) + TOKENS_PER_MESSAGE for message in messages)
