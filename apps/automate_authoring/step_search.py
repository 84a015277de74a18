"""Search of what a workflow can be built of: actions, kinds of steps, and triggers. Agents and the palette share it.

A word counts most in the name of an action, less in that of its connector, least in descriptions, and more the rarer it
is. A whole word counts more than the beginning of one, and that more than a part. No word is needed: what has more of
them comes first. `KEYWORDS` are the words of other products, `EVERYDAY_WORDS` those of each language. A sentence that
asks for several things, one after the other, finds the best for each of them in turn.
"""

from __future__ import annotations

import functools
import itertools
import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace

from django.utils import translation

from automate_authoring.drafts.values import KIND_LABELS, TRIGGER_LABELS
from automate_authoring.step_words import (
    BETWEEN_WISHES,
    BUILT_IN,
    EVERYDAY_WORDS,
    KEYWORDS,
    KIND_DESCRIPTIONS,
    OF_TRIGGERS,
    STOP_WORDS,
    TRIGGER_DESCRIPTIONS,
)
from automate_connectors.adapters.base import Action, ConnectorAdapter
from automate_connectors.registry import connectors
from automate_governance.texts import translated

NAME, TITLE, TEXT = 8.0, 4.0, 1.0  #: what a word counts there
MOST_OF_ONE = 3  #: results of one connector before those of others, unless the query names it
_LEAST = 0.15  #: of the best score: what has less is not shown
_BETWEEN = re.compile(rf"[,;.!?]\s+|\b(?:{'|'.join(BETWEEN_WISHES)})\b")
_FOR_TRIGGERS = 2.0  #: what a trigger counts more where one is asked for
_MOST_WISHES, _MOST_WORDS = 10, 50  #: of a query, and of a wish: each of them is compared with all entries
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
    shown: str = ""  #: what a caller shows for it

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

    def shown_as(self, shown: str) -> Entry:
        """The same, with what a caller shows for it."""
        return replace(self, shown=shown)


def search_steps(query: str, connected: Collection[str] = ()) -> list[Entry]:
    """What fits the query, the best first; without words, everything. `connected` are codes of connectors."""
    return rank_entries(all_entries(), query, connected)


def rank_entries(
    entries: list[Entry], query: str, connected: Collection[str] = (), likely: Collection[str] = ()
) -> list[Entry]:
    """Those of the entries that fit the query, the best first. `likely` are those shown that come before equals."""
    wishes = list(dict.fromkeys(each.strip() for each in _BETWEEN.split(query.casefold()) if _WORD.search(each)))
    found = [_rank(entries, each, connected, likely) for each in wishes[:_MOST_WISHES] or [""]]
    in_turn = [each for row in itertools.zip_longest(*found) for each in row if each is not None]
    return list({id(each): each for each in in_turn}.values())


def _rank(entries: list[Entry], wish: str, connected: Collection[str], likely: Collection[str]) -> list[Entry]:
    """Those that fit one wish of a query."""
    given = _WORD.findall(wish)
    words = list(dict.fromkeys(map(_stem, [word for word in given if word not in STOP_WORDS] or given)))[:_MOST_WORDS]
    of_triggers = _FOR_TRIGGERS if wish.startswith(OF_TRIGGERS) else 1.0
    preferred = {
        id(each): _preference(each, connected)
        * (1.3 if each.shown in likely else 1.0)
        * (of_triggers if each.trigger else 1.0)
        for each in entries
    }
    if not words:
        return sorted(entries, key=lambda each: -preferred[id(each)])
    rarity = _rarity(entries, words)
    scored = [(each, _score(each, words, rarity) * preferred[id(each)]) for each in entries]
    best = max((score for _, score in scored), default=0.0)
    found = [(each, score) for each, score in scored if score > 0 and score >= best * _LEAST]
    found.sort(key=lambda each: -each[1])
    return list(_mixed([each for each, _ in found], words))


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
    weights = {word: _weight(entry, word) for word in words}
    score = sum(rarity[word] * weight for word, weight in weights.items())
    score *= (sum(weight > 0 for weight in weights.values()) / len(words)) ** 2  # what has more of the words
    if score and entry.title and all(any(_fits(word, part) for word in words) for part in entry.title):
        score *= 1.5 if set(words) - entry.title else 3.0  # the query names the connector, or is its name
    return score


def _weight(entry: Entry, word: str) -> float:
    """What the word counts in the entry: in whole, as the beginning of one of its words, or as a part of one."""
    return max((_likeness(word, own) * weight for own, weight in entry.weights.items()), default=0.0)


def _likeness(word: str, own: str) -> float:
    if word == own:
        return 1.0
    if _fits(word, own):
        return 0.8
    if own.startswith(word):
        return 0.6 if len(word) == 3 else 0.3
    return 0.2 if len(word) >= 3 and word in own else 0.0


def _fits(word: str, own: str) -> bool:
    """Whether they are the same word, or one is the other with an ending."""
    is_ending = word.startswith(own) and len(word) <= len(own) + 3
    return word == own or (min(len(word), len(own)) >= 4 and (own.startswith(word) or is_ending))


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


def all_entries() -> list[Entry]:
    """Kinds of steps and triggers, and the actions of all connectors."""
    language = translation.get_language() or "en"
    adapters = (connectors.get(name) for name in connectors.names())
    return [*_kinds(language), *(each for adapter in adapters for each in _actions(adapter, language))]


@functools.lru_cache(maxsize=100)
def _kinds(_language: str) -> list[Entry]:
    steps = [
        Entry(kind=kind, weights=_weights(kind, names=[kind, *_said(KIND_LABELS[kind])], texts=_said(words)))
        for kind, words in KIND_DESCRIPTIONS.items()
    ]
    for trigger, words in TRIGGER_DESCRIPTIONS.items():
        names = [trigger, "trigger", *_said(TRIGGER_LABELS[trigger])]
        weights = _weights(f"trigger:{trigger}", names=names, texts=_said(words))
        steps.append(Entry(kind="trigger", trigger=trigger, weights=weights))
    return steps


@functools.lru_cache(maxsize=1_000)
def _actions(adapter: ConnectorAdapter, _language: str) -> list[Entry]:
    return [
        described_entry(
            f"{adapter.code}.{action.name}",
            names=[action.name, *_said(action.label)],
            texts=_said(action.description),
            adapter=adapter,
            action=action,
        )
        for action in adapter.actions
    ]


def described_entry(
    key: str,
    *,
    names: Iterable[str],
    texts: Iterable[str],
    kind: str = "action",
    adapter: ConnectorAdapter | None = None,
    action: Action | None = None,
) -> Entry:
    """An entry with words of its own; what `KEYWORDS` says of the key counts as its name."""
    title = _said(adapter.name) if adapter else []
    about = [adapter.code, *title] if adapter else []
    more = _said(adapter.description) if adapter else []
    return Entry(
        kind=kind,
        adapter=adapter,
        action=action,
        weights=_weights(key, names=names, titles=about, texts=[*texts, *more]),
        title=frozenset(_words(" ".join(title[-1:]))),
    )


def _weights(
    key: str, *, names: Iterable[str], titles: Iterable[str] = (), texts: Iterable[str] = ()
) -> dict[str, float]:
    found: dict[str, float] = {}
    everyday = _said(EVERYDAY_WORDS.get(key, ""))
    for weight, parts in ((TEXT, texts), (TITLE, titles), (NAME, [*names, *KEYWORDS.get(key, ()), *everyday])):
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
