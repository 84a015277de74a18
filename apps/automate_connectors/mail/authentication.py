"""Authentication on the sender of a message, from `Authentication-Results` of servers that the site trusts (RFC 8601).

Anybody can write such a header. A trusted server removes those that bear its own name before it adds its own, which
stands above all that came with the message.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from itertools import islice

from automate_connectors.mail.message import UNKNOWN, Authentication

MAX_HEADERS = 20  #: that are looked at
_LONGEST = 4_000
_RESULT = re.compile(r"\s*(spf|dkim|dmarc)\s*=\s*([a-z]+)(.*)", re.IGNORECASE | re.DOTALL)
_FROM = re.compile(r"header\.from\s*=\s*(?:[^\s@;]*@)?([^\s@;]+)", re.IGNORECASE)
_RESULTS = frozenset(
    {"pass", "fail", "softfail", "neutral", "none", "policy", "temperror", "permerror", "bestguesspass"}
)


def read_authentication(headers: Iterable[str], trusted: Collection[str], sender_domain: str) -> Authentication:
    """What trusted servers found: of each method, what the uppermost of their headers says.

    A result of DMARC counts for the domain of the sender alone, which it has to name. Without one, none counts.
    """
    names = {each.lower().rstrip(".") for each in trusted}
    found: dict[str, str] = {}
    for value in islice(headers, MAX_HEADERS):
        server, *parts = _plain(value[:_LONGEST]).split(";")
        if not server.split() or server.split()[0].lower().rstrip(".") not in names:
            continue
        said: dict[str, str] = {}
        for part in parts:
            match = _RESULT.match(part)
            if match is None or match[2].lower() not in _RESULTS:
                continue
            method, result = match[1].lower(), match[2].lower()
            if method == "dmarc" and not _is_about(match[3], sender_domain):
                continue
            if method == "dmarc":
                said[method] = result if said.get(method, "pass") == "pass" else said[method]  # any that is none wins
            elif said.get(method) != "pass":  # one good signature of several is enough
                said[method] = result
        found = {**said, **found}
    if not sender_domain:
        return Authentication(spf=found.get("spf", UNKNOWN), dkim=found.get("dkim", UNKNOWN))
    return Authentication(**{name: found.get(name, UNKNOWN) for name in ("spf", "dkim", "dmarc")})


def _is_about(properties: str, domain: str) -> bool:
    named = _FROM.search(properties)
    return named is not None and named[1].lower().rstrip(".") == domain


def _plain(value: str) -> str:
    """The value without comments, which may stand in each other, and without the punctuation of quoted strings.

    The sender of a message writes some of these strings: the local part of the envelope sender may hold whole results.
    """
    kept: list[str] = []
    depth, is_quoted = 0, False
    letters = iter(value)
    for letter in letters:
        if letter == "\\":
            next(letters, "")
        elif letter == '"' and not depth:
            is_quoted = not is_quoted
        elif is_quoted:
            kept += letter if letter.isalnum() or letter in ".-@" else ""
        elif letter == "(":
            depth += 1
        elif letter == ")" and depth:
            depth -= 1
        elif not depth:
            kept.append(letter)
    return "".join(kept)
