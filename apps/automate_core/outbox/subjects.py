"""The subject line of an event: the few words of its payload by which people tell it from others.

A workflow may declare an expression for its runs (`search_terms`); otherwise the line is guessed from usual names of
members: a number, a title or a person, and an amount, such as `INV-204 · Acme Ltd · 1500 EUR`. Of a form
with fewer than two such fields, the line has the answers to its first fields.
"""

from __future__ import annotations

import functools
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import msgspec

from automate_core.definition.document import FormField
from automate_governance.redaction.redactor import redact_text
from automate_governance.redaction.token_patterns import MASK, is_secret_name
from automate_plugins.typed_values import plain_whole

LONGEST = 120  #: characters of a subject
LONGEST_PART = 60
LOOKED_AT = 20_000  #: characters of a text: far more than are kept, so that a secret is masked that begins in these
LARGEST = 200_000  #: characters of a payload that is looked through
MOST_MEMBERS = 200  #: members that are looked at, outer ones first
LONGEST_NAME = 40  #: characters of a member's name that may say something
DEEPEST = 3  #: levels of objects that are looked into
SEPARATOR = " · "

#: Names of members by what they say, the best first. One of each role is taken, in this order.
ROLES: tuple[tuple[str, ...], ...] = (
    (
        "invoice_number", "invoice_no", "order_number", "order_no", "ticket_number", "case_number", "number",
        "reference", "ref",
    ),
    (
        "subject", "title", "summary", "customer_name", "customer", "company_name", "company", "full_name", "name",
        "supplier", "supplier_name", "vendor", "requester", "employee", "email", "customer_email",
    ),
    ("amount", "total", "total_amount", "grand_total", "total_price", "amount_due", "price"),
)  # fmt: skip
_AMOUNT = 2
_RANKS = {name: (role, rank) for role, names in enumerate(ROLES) for rank, name in enumerate(names)}
_NAMES_OF_OBJECTS = ("name", "full_name", "title", "email")  #: what stands for an object such as a customer
_PRIVATE = re.compile(
    r"secret|passw|passphrase|token|credential|auth|cookie|session|signature|key|card|iban|bank|account|ssn|tax"
    r"|geheim|kennwort|konto|karte|steuer|schl(?:ü|ue)ssel"
)
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[-\s.]+")
_SHORT_KINDS = ("text", "email", "choice")  #: of fields whose answers are a few words
_MOST_TEXTS = 2  #: of a form, as usual names give a number and a person
_DIGITS = re.compile(r"[\d -]{13,}")  #: as card and account numbers are


def guess_subject(payload: Any, form: Sequence[FormField] = ()) -> str:
    """The subject that a payload suggests; empty when it suggests none. Never a member that looks like a secret.

    `form` has the fields whose answers the payload is, in the order in which people see them.
    """
    members = [(depth, name, text) for depth, name, value in _members(payload) if (text := _text(value))]
    together = "\n".join(text for _, _, text in members)
    has_secrets = redact_text(together) != together
    found: dict[int, tuple[tuple[int, int], str]] = {}
    currency = ""
    for depth, name, text in members:
        part = _shortened(redact_text(text) if has_secrets else text, LONGEST_PART)
        if name == "currency":
            currency = currency or part
            continue
        if not part or MASK in part or _DIGITS.fullmatch(part):
            continue
        role, rank = _RANKS[name]
        if role not in found or (depth, rank) < found[role][0]:
            found[role] = (depth, rank), part
    parts = [text for _, (_, text) in sorted(found.items())]
    if [*found] == [_AMOUNT]:
        parts[:0] = _first_texts(payload, form)  # amounts alone look alike
    elif form and len(found) < 2 and isinstance(payload, dict):
        parts = [*_first_texts(payload, form), *_first_number(payload, form)] or parts
    if _AMOUNT in found and re.fullmatch(r"[A-Za-z]{3}", currency):
        parts[-1] = f"{parts[-1]} {currency.upper()}"
    return SEPARATOR.join(parts)[:LONGEST]


def guess_subject_of_json(document: str, form: Sequence[FormField] = ()) -> str:
    """The same of a payload as JSON text; empty when that is too long to be looked through."""
    if len(document) > LARGEST or not document.startswith("{"):
        return ""
    try:
        return guess_subject(msgspec.json.decode(document), form)
    except (msgspec.DecodeError, RecursionError):
        return ""


def one_line(text: str, longest: int = LONGEST) -> str:
    """A text as it is stored and shown in a list: one line, no NUL, not too long. Secrets are masked."""
    return _shortened(redact_text(_storable(text[:LOOKED_AT])), longest)


def _members(payload: Any) -> Iterator[tuple[int, str, Any]]:
    """(depth, name, value) of members whose names say something, outer ones first; of a change, the state after it."""
    waiting: deque[tuple[Any, int]] = deque([(payload, 1)] if isinstance(payload, dict) else ())
    left = MOST_MEMBERS
    while waiting:
        at, depth = waiting.popleft()
        for name, value in at.items():
            left -= 1
            if left < 0:
                return
            if not isinstance(name, str) or len(name) > LONGEST_NAME:
                continue
            if (known := _known(name)) is not None:
                yield depth, known, value
            is_outdated = name == "before" and at.get("after")
            if isinstance(value, dict) and depth < DEEPEST and not is_outdated and not _is_private(name):
                waiting.append((value, depth + 1))


def _first_texts(payload: dict[str, Any], form: Sequence[FormField]) -> list[str]:
    """Of a form its first answers, short ones if it has any; of another payload the first of its own texts."""
    if form:
        short = [each.name for each in form if each.kind in _SHORT_KINDS]
        names = short or [each.name for each in form if each.kind == "long_text"]
        return list(islice(_texts(payload, names), _MOST_TEXTS))
    own = (name for name in [*payload][:MOST_MEMBERS] if len(name) <= LONGEST_NAME and not _known(name))
    return list(islice(_texts(payload, own), 1))


def _texts(payload: dict[str, Any], names: Iterable[str]) -> Iterator[str]:
    """The texts of members that are neither private nor masked."""
    for name in names:
        value = payload.get(name)
        if not isinstance(value, str) or _is_private(name):
            continue
        part = one_line(value, LONGEST_PART)
        if part and MASK not in part and not _DIGITS.fullmatch(part):
            yield part


def _first_number(payload: dict[str, Any], form: Sequence[FormField]) -> list[str]:
    """The first number among the answers to a form that is not private; at most one."""
    names = (each.name for each in form if each.kind == "number" and not _is_private(each.name))
    texts = (_text(payload.get(name)) for name in names)
    return [part for part in texts if part and not _DIGITS.fullmatch(part)][:1]


def _text(value: Any) -> str:
    """Text of a member that is a single value, or an object with a name; else empty."""
    if isinstance(value, dict):
        value = next((value[name] for name in _NAMES_OF_OBJECTS if isinstance(value.get(name), str)), None)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    shown = plain_whole(value) if isinstance(value, float) else value
    return _storable(str(shown)[: 10 * LONGEST_PART])


def _storable(text: str) -> str:
    """A text that PostgreSQL takes: no NUL, no lone surrogate."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def _shortened(text: str, longest: int) -> str:
    short = " ".join(text.split())
    return short if len(short) <= longest else f"{short[: longest - 1].rstrip()}…"


@functools.lru_cache(maxsize=4_096)
def _known(name: str) -> str | None:
    """The name as the roles have it, `orderNumber` as `order_number`; None when it is none of theirs."""
    key = _WORDS.sub("_", name).lower()
    return key if key in _RANKS or key == "currency" else None


@functools.lru_cache(maxsize=4_096)
def _is_private(name: str) -> bool:
    """Whether what lies under the name is none of a list's business."""
    return is_secret_name(name) or _PRIVATE.search(name.lower()) is not None
