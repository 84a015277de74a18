"""The proof of work of a hosted form on its page."""

from __future__ import annotations

import json
from dataclasses import dataclass

from django.utils.translation import gettext as _

from automate_core.triggers import proof_of_work
from automate_core.triggers.forms import TOKEN_SECONDS, OpenForm

SOLUTION = "altcha"  #: name of the field with the solution


@dataclass(frozen=True, kw_only=True)
class Proof:
    """The task of one page. `challenge` is JSON for the widget."""

    challenge: str
    name: str = SOLUTION

    @property
    def configuration(self) -> str:
        """Options of the widget, as JSON. Movements of the mouse are not collected."""
        return json.dumps({"hideFooter": True, "hideLogo": True, "humanInteractionSignature": False})

    @property
    def words(self) -> str:
        """Texts of the widget by its names for them, as JSON."""
        return json.dumps(
            {
                "label": _("I am not a robot"),
                "verifying": _("Checking…"),
                "verified": _("Checked"),
                "verificationRequired": _("Tick this box and wait until the check is done."),
                "waitAlert": _("The check takes a moment. Submit when it is done."),
                "error": _("The check failed. Load this page again."),
                "expired": _("The check is too old. Load this page again."),
                "loading": _("Checking…"),
            }
        )


def build_proof(form: OpenForm, token: str) -> Proof | None:
    """The task of a page of the form with that token; None for a form that asks for none."""
    if not form.trigger.proof_of_work:
        return None
    return Proof(challenge=proof_of_work.create_challenge(token, TOKEN_SECONDS))


def is_proven(form: OpenForm, solution: str, token: str) -> bool:
    """Whether a form accepts the answer of the page with that token and `solution`."""
    return not form.trigger.proof_of_work or proof_of_work.is_solved(solution, token)
