"""The usage that a model server reports, as far as it can be true: budgets of everybody count with it.

A server that reports too much would use up the budgets of others, and one that reports nothing would never fill them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from automate_llm.providers.options import TokenUsage

#: Of our own count, which knows neither the model's vocabulary nor what the server adds, such as a schema.
INPUT_FACTOR, INPUT_EXTRA = 2, 5_000
LEAST_SHARE = 4  #: a quarter of our own count is taken at least


@dataclass(frozen=True, kw_only=True)
class SettledUsage:
    """A usage that counts. `is_estimated`: it is our own count; `is_capped`: more was reported than can be true."""

    usage: TokenUsage
    is_estimated: bool
    is_capped: bool


def settle_usage(reported: Iterable[TokenUsage], counted: TokenUsage, *, max_tokens: int) -> SettledUsage:
    """Return what counts of a reported usage. `counted` is our own count of the prompt and of the answer."""
    given = next((each for each in reported if is_count(each.tokens_in) and is_count(each.tokens_out)), None)
    if given is None:
        return SettledUsage(usage=counted, is_estimated=True, is_capped=False)
    most_in = counted.tokens_in * INPUT_FACTOR + INPUT_EXTRA
    least_in, least_out = counted.tokens_in // LEAST_SHARE, min(counted.tokens_out // LEAST_SHARE, max_tokens)
    usage = TokenUsage(
        tokens_in=max(min(given.tokens_in, most_in), least_in),
        tokens_out=max(min(given.tokens_out, max_tokens), least_out),
        cut_off=given.cut_off,
    )
    return SettledUsage(
        usage=usage,
        is_estimated=usage.tokens_in > given.tokens_in or usage.tokens_out > given.tokens_out,
        is_capped=usage.tokens_in < given.tokens_in or usage.tokens_out < given.tokens_out,
    )


def is_count(value: object) -> bool:
    """Return whether a value is a number of tokens."""
    return type(value) is int and value >= 0
