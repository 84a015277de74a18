"""Search of what a workflow can be built of: actions, kinds of steps, and triggers. Agents and the palette share it.

A word counts most in the name of an action, less in that of its connector, least in descriptions, and more the rarer it
is. No word is needed: what has more of them comes first. `KEYWORDS` are the words of other products.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from django.utils import translation

from automate_connectors.adapters.base import Action, ConnectorAdapter
from automate_connectors.registry import connectors
from automate_core.authoring.drafts.values import KIND_LABELS, TRIGGER_LABELS
from automate_core.authoring.step_words import BUILT_IN, KEYWORDS, KIND_DESCRIPTIONS, STOP_WORDS, TRIGGER_DESCRIPTIONS
from automate_governance.texts import translated

NAME, TITLE, TEXT = 8.0, 4.0, 1.0  #: what a word counts there
MOST_OF_ONE = 3  #: results of one connector before those of others, unless the query names it
_LEAST = 0.3  #: of the best score: what has less is not shown
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Something that a search can find: an action, else the kind of a step or of a trigger."""

    kind: str = "action"
    trigger: str = ""
    adapter: ConnectorAdapter | None = None
    action: Action | None = None
    weights: dict[str, float] = field(default_factory=dict)
    title: frozenset[str] = frozenset()

    @property
    def code(self) -> str:
        """The connector's code; empty for kinds."""
        return self.adapter.code if self.adapter else ""

    @property
    def key(self) -> str:
        """`connector.action`, the kind of a step, or `trigger:KIND`."""
        if self.adapter and self.action:
            return f"{self.adapter.code}.{self.action.name}"
        return f"trigger:{self.trigger}" if self.trigger else self.kind


def search_steps(query: str, connected: Collection[str] = ()) -> list[Entry]:
    """What fits the query, the best first; without words, everything. `connected` are codes of connectors."""
    entries = list(_entries())
    given = _WORD.findall(query.casefold())
    words = list(dict.fromkeys(map(_stem, [word for word in given if word not in STOP_WORDS] or given)))
    if not words:
        return sorted(entries, key=lambda each: -_preference(each, connected))
    rarity = _rarity(entries, words)
    scored = [(each, _score(each, words, rarity) * _preference(each, connected)) for each in entries]
    best = max(score for _, score in scored)
    found = [(each, score) for each, score in scored if score > 0 and score >= best * _LEAST]
    found.sort(key=lambda each: -each[1])
    return list(_mixed([each for each, _ in found], words))


def keywords_of(key: str) -> str:
    """Words of other products for an entry, for a search that reads words alone."""
    return " ".join(KEYWORDS.get(key, ()))


def _mixed(found: list[Entry], words: list[str]) -> Iterator[Entry]:
    """At most a few of each connector first, then the others of it."""
    seen: Counter[str] = Counter()
    later: list[Entry] = []
    for each in found:
        seen[each.code] += 1
        is_named = bool(each.title) and all(any(_fits(word, part) for word in words) for part in each.title)
        if each.code and seen[each.code] > MOST_OF_ONE and not is_named:
            later.append(each)
        else:
            yield each
    yield from later


def _score(entry: Entry, words: list[str], rarity: dict[str, float]) -> float:
    score = sum(rarity[word] * _weight(entry, word) for word in words)
    if score and entry.title and all(any(_fits(word, part) for word in words) for part in entry.title):
        score *= 1.5  # the query names the connector
    return score


def _weight(entry: Entry, word: str) -> float:
    """What the word counts in the entry: in whole or as the beginning of one of its words."""
    exact = entry.weights.get(word, 0.0)
    return max([exact, *(0.8 * weight for own, weight in entry.weights.items() if own != word and _fits(word, own))])


def _fits(word: str, own: str) -> bool:
    return word == own or (min(len(word), len(own)) >= 4 and (own.startswith(word) or word.startswith(own)))


def _rarity(entries: list[Entry], words: list[str]) -> dict[str, float]:
    number = len(entries)
    having = {word: sum(_weight(each, word) > 0 for each in entries) for word in words}
    return {word: 1.0 + math.log((number + 1) / (count + 1)) for word, count in having.items()}


def _preference(entry: Entry, connected: Collection[str]) -> float:
    """Built in, then connected, then all others."""
    if not entry.code or entry.code in BUILT_IN:
        return 1.4
    return 1.25 if entry.code in connected else 1.0


# --- what there is ----------------------------------------------------------------------------------------------------


def _entries() -> Iterator[Entry]:
    for kind, words in KIND_DESCRIPTIONS.items():
        yield Entry(kind=kind, weights=_weights(kind, names=[kind, *_said(KIND_LABELS[kind])], texts=_said(words)))
    for trigger, words in TRIGGER_DESCRIPTIONS.items():
        names = [trigger, "trigger", *_said(TRIGGER_LABELS[trigger])]
        weights = _weights(f"trigger:{trigger}", names=names, texts=_said(words))
        yield Entry(kind="trigger", trigger=trigger, weights=weights)
    for name in connectors.names():
        adapter = connectors.get(name)
        title = _said(adapter.name)
        for action in adapter.actions:
            weights = _weights(
                f"{adapter.code}.{action.name}",
                names=[action.name, *_said(action.label)],
                titles=[adapter.code, *title],
                texts=[*_said(action.description), *_said(adapter.description)],
            )
            parts = frozenset(_words(" ".join(title[-1:])))
            yield Entry(adapter=adapter, action=action, weights=weights, title=parts)


def _weights(
    key: str, *, names: Iterable[str], titles: Iterable[str] = (), texts: Iterable[str] = ()
) -> dict[str, float]:
    found: dict[str, float] = {}
    for weight, parts in ((TEXT, texts), (TITLE, titles), (NAME, [*names, *KEYWORDS.get(key, ())])):
        for part in parts:
            for word in _words(part):
                found[word] = max(found.get(word, 0.0), weight)
    return found


def _said(words: str) -> list[str]:
    """A text in the language of the caller, and in English."""
    if not words:
        return []
    found = [translated(words)]
    if not (translation.get_language() or "en").startswith("en"):
        with translation.override("en"):
            found.append(translated(words))
    return found


def _words(words: str) -> Iterator[str]:
    return (_stem(word) for word in _WORD.findall(words.casefold()))


def _stem(word: str) -> str:
    """A word without the English endings of plurals and verbs. What is cut too short still fits as a beginning."""
    for ending, other in (("ing", ""), ("ies", "y"), ("s", "")):
        if len(word) > len(ending) + 3 and word.endswith(ending) and not word.endswith("ss"):
            return word.removesuffix(ending) + other
    return word
