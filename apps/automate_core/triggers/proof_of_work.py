"""Proof of work of hosted forms: a task that the browser of a person computes before an answer is accepted.

ALTCHA, https://altcha.org/docs/v2/proof-of-work/: the browser searches for a number from which a key with a given
prefix can be derived. Nothing is asked of a third party. The library comes with the extra `altcha`.
"""

from __future__ import annotations

import json
import time
from importlib.util import find_spec

from django.utils.crypto import constant_time_compare, salted_hmac

COST = 5_000  #: iterations of each of the 256 attempts that a browser needs on average: about a second of a phone
_ALGORITHM = "PBKDF2/SHA-256"
_SALT = "automate.form_proof"
_MOST_CHARACTERS = 10_000  #: of a solution


def is_installed() -> bool:
    """Whether forms can ask for it here."""
    return find_spec("altcha") is not None


def create_challenge(token: str, seconds: int) -> str:
    """The task for the page with that token, valid for `seconds`, as the JSON that the widget reads."""
    import altcha

    challenge = altcha.create_challenge(
        _ALGORITHM,
        COST,
        expires_at=int(time.time()) + seconds,
        data={"page": _digest(token)},
        hmac_secret=_digest(""),
    )
    return json.dumps(challenge.to_dict())


def is_solved(solution: str, token: str) -> bool:
    """Whether `solution`, as the widget sends it, is one of a task of ours for the page with that token.

    A page makes one answer at most, so a solution cannot be used for a second one.
    """
    import altcha

    if not 0 < len(solution) <= _MOST_CHARACTERS or not altcha.verify_solution(solution, _digest("")).verified:
        return False
    signed = altcha.Payload.from_base64(solution).challenge.parameters.data or {}
    return constant_time_compare(str(signed.get("page")), _digest(token))


def _digest(token: str) -> str:
    """The digest of a token by which a task belongs to its page; of no token, the key that signs tasks."""
    return salted_hmac(_SALT, token, algorithm="sha256").hexdigest()
