"""Where personal data may be: the columns that are searched, and the kinds of what is found there.

A test compares them with the columns of all models, so that none is forgotten.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.db.models import Model

from automate_core.models import Erasure
from automate_operations.erasure.texts import SearchedTexts


@dataclass(frozen=True)
class ErasedKeys:
    """What became of some items: rows emptied or deleted, by kind, and the keys that are in use and were left."""

    counts: Counter[str]
    in_use: frozenset[str] = frozenset()


type Eraser = Callable[[Erasure, SearchedTexts, Sequence[str]], ErasedKeys]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of what is found. `counted` gives a number of them in words, and `action` what becomes of them.

    Without `erase`, a person has to change it. `erase` is called in a transaction, with some keys.
    """

    name: str
    counted: Callable[[int], str]
    action: str
    erase: Eraser | None = None


@dataclass(frozen=True, kw_only=True)
class Source:
    """Columns of a model. `key` is the SQL of the item's key, on `row` and on what `join` adds.

    `documents` are columns that name artifacts, whose content is searched as well. With `content_of`, the content of
    that file column is searched. Rows for which `where` is not true are left out.
    """

    model: type[Model]
    columns: tuple[str, ...]
    kind: str
    key: str = ""
    join: str = ""
    where: str = "true"
    documents: tuple[str, ...] = ()


_kinds: dict[str, Kind] = {}
_sources: list[Source] = []


def register_kind(kind: Kind, *sources: Source) -> None:
    """Add a kind and where it is found. Apps above this one call it in `AppConfig.ready`."""
    _kinds[kind.name] = kind
    _sources.extend(each for each in sources if each not in _sources)


def all_kinds() -> dict[str, Kind]:
    """The kinds, by name, in the order in which people read them."""
    return dict(_kinds)


def all_sources() -> Sequence[Source]:
    """The sources, in the order in which they are searched."""
    return tuple(_sources)
