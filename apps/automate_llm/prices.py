"""Prices of tokens: a dated table, and the site's own prices before it. An unknown price is not zero."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

CURRENCY = "USD"
_PER_TOKENS = 1_000_000
_SNAPSHOT = re.compile(r"-(\d{8}|\d{4}-\d{2}-\d{2}|latest)$")  # providers price a model, not its dated snapshots


class PriceError(ValueError):
    """An invalid price; the message names it."""


@dataclass(frozen=True)
class Price:
    """In US dollars for a million tokens. A call with more input than `long_over` tokens has the price `long`."""

    tokens_in: Decimal
    tokens_out: Decimal
    long_over: int = 0
    long: Price | None = None

    def cost_of(self, tokens_in: int, tokens_out: int) -> Decimal:
        """Return the cost of a call with so many tokens."""
        if self.long is not None and tokens_in > self.long_over:
            return self.long.cost_of(tokens_in, tokens_out)
        return (self.tokens_in * tokens_in + self.tokens_out * tokens_out) / _PER_TOKENS


def seller_of(provider: str, default_base_url: str, base_url: str) -> str:
    """Return whose prices count: the provider's at its own address, else those of the called `host` or `host:port`."""
    if not base_url or urlsplit(base_url).netloc == urlsplit(default_base_url).netloc:
        return provider
    return urlsplit(base_url).netloc.rpartition("@")[2].lower()


def find_price(seller: str, model: str) -> Price | None:
    """Return the price of `model`; None when it is unknown.

    AUTOMATE_LLM_PRICES comes first, by `seller/model` or, for all models, `seller/*`; then the shipped table.
    """
    own, shipped = site_prices(), shipped_prices()
    base = _SNAPSHOT.sub("", model)
    for table, names in ((own, (model, base, "*")), (shipped, (model, base))):
        for name in names:
            if (found := table.get(f"{seller}/{name}")) is not None:
                return found
    return None


def site_prices() -> dict[str, Price]:
    """Return the prices of AUTOMATE_LLM_PRICES. Raises PriceError."""
    return dict(_read(getattr(settings, "AUTOMATE_LLM_PRICES", {})))


@cache
def shipped_prices() -> dict[str, Price]:
    """The table of prices.json."""
    return dict(_read(_document()["models"]))


def prices_date() -> str:
    """Return the date of the shipped table."""
    return str(_document()["as_of"])


@cache
def _document() -> Any:
    return json.loads(files("automate_llm").joinpath("prices.json").read_text(encoding="utf-8"))


def _read(table: Any) -> Iterator[tuple[str, Price]]:
    if not isinstance(table, Mapping):
        raise PriceError('must be a mapping, such as {"openai/gpt-5": {"in": 1.25, "out": 10}}')
    for name, row in table.items():
        if not isinstance(name, str) or "/" not in name:
            raise PriceError(f"{name!r} must have the form seller/model")
        yield name, _price(name, row)


def _price(name: str, row: Any) -> Price:
    if not isinstance(row, Mapping) or set(row) - {"long"} != {"in", "out"}:
        raise PriceError(f"{name}: a price must have `in` and `out`, in {CURRENCY} per million tokens")
    plain = Price(_amount(name, row["in"]), _amount(name, row["out"]))
    if "long" not in row:
        return plain
    long = row["long"]
    if not isinstance(long, Mapping) or set(long) != {"over", "in", "out"} or type(long["over"]) is not int:
        raise PriceError(f"{name}: `long` must have `over`, a number of input tokens, and `in` and `out`")
    dearer = Price(_amount(name, long["in"]), _amount(name, long["out"]))
    return replace(plain, long_over=long["over"], long=dearer)


def _amount(name: str, value: Any) -> Decimal:
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or not 0 <= amount <= 1_000_000:
        raise PriceError(f"{name}: {value!r} is not a price in {CURRENCY}")
    return amount
