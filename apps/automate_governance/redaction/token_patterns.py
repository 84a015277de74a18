"""Patterns of secrets that no backend resolved: members and headers with secret names, and forms of well-known tokens.

One pass of RE2 finds whether a text may hold any; almost no text does, and the other patterns are skipped.
"""

from __future__ import annotations

from typing import Any

import re2

MASK = "***"

_NAMES = (
    r"(?:proxy[-_])?authorization|(?:set[-_])?cookie|password|passwd|passphrase|secret|client[-_]secret"
    r"|(?:access[-_]|refresh[-_]|id[-_]|auth[-_]|bearer[-_]|x[-_]auth[-_]|x[-_]vault[-_])?token"
    r"|(?:x[-_])?api[-_]?key|private[-_]key|secret[-_](?:access[-_])?key"
    r"|(?-i:[A-Z][A-Z0-9_]*_(?:TOKEN|SECRET|PASSWORD|PASSPHRASE|DSN|SECRETS?_KEYS?|(?:API|ACCESS|PRIVATE)_?KEY))"
)
_NAME = re2.compile(f"(?i){_NAMES}")
_END = r"""[^\s"'\\,;&<>()\[\]{}.]"""  # of a value: what closes a bracket or sentence after it stays
_HEADERS = r"(?:proxy-)?authorization|(?:x-)?api-key|x-(?:auth|vault)-token"

# (what stays), what is masked, (what stays). No rule reaches over a quotation mark, so that JSON stays JSON.
_RULES = (
    rf"""(?i)("(?:{_NAMES})"\s*:\s*")(?:[^"\\]|\\.)+(")""",
    rf"""(?i)('(?:{_NAMES})'\s*:\s*')(?:[^'"\\]|\\.)+(')""",
    rf"""(?i)(\\["'](?:{_NAMES})\\["']\s*:\s*\\")[^"\\]+(\\")""",  # a document inside a document
    rf"""(?i)(\b(?:{_HEADERS})\s*[:=]\s*(?:[a-z]+\s+)?)[^\s"'\\,;&<>]*{_END}()""",
    r"""(?i)(\b(?:set-)?cookie:\s*)[^"'\\\r\n<>]+()""",
    rf"""(?i)(\b(?:{_NAMES})=)[^\s"'\\&;,<>]{{2,}}{_END}()""",
    r"""(?i)(\bbearer\s+)[a-z0-9._~+/=-]{16,}()""",
    r"""(://)[^/\s:@"'\\]+:[^/\s@"'\\]+(@)""",
    r"()\bsk-[A-Za-z0-9_-]{16,}()",
    r"()\bgh[pousr]_[A-Za-z0-9]{20,}()",
    r"()\bgithub_pat_[A-Za-z0-9_]{20,}()",
    r"()\bxox[abeprs]-[A-Za-z0-9-]{10,}()",
    r"()\bdat_[0-9A-Za-z]{8}_[0-9A-Za-z_-]{49}()",  # our own: automate_api.tokens.credentials
    r"()\bwhsec_[A-Za-z0-9+/=]{16,}()",
    r"(-----BEGIN [A-Z ]*PRIVATE KEY-----)[A-Za-z0-9+/=\s\\]+()",
)
_COMPILED = [re2.compile(rule) for rule in _RULES]


def _any_rule() -> Any:
    options = re2.Options()
    options.never_capture = True
    options.log_errors = False
    return re2.compile("|".join(f"(?:{rule})" for rule in _RULES).encode(), options)


_ANY = _any_rule()


def is_secret_name(name: str) -> bool:
    """Return whether a member or header of that name holds a secret, such as `Authorization` or `api_key`."""
    return _NAME.fullmatch(name) is not None


def mask_token_patterns(text: str, encoded: bytes) -> str:
    """Return `text` with everything masked that looks like a secret. `encoded` is `text` in UTF-8."""
    if _ANY.search(encoded) is None:
        return text
    for rule in _COMPILED:
        text = rule.sub(lambda match: f"{match[1]}{MASK}{match[2]}", text)
    return text
