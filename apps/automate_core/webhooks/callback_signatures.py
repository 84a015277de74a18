"""The sender's own signature, which a wait may require of its callback besides the single-use URL."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from automate_core.definition.document import Problem, WaitStep
from automate_core.definition.parsing import parse
from automate_core.definition.slots import walk
from automate_core.definition.step_paths import key_of
from automate_core.definition.validators import validates
from automate_core.models import ExecutionRun
from automate_core.webhooks.schemes import verification
from automate_core.webhooks.schemes.registry import SchemeError, SignatureScheme, scheme_for
from automate_core.webhooks.schemes.signing import Delivery
from automate_governance.secrets.interfaces import SecretNotFoundError
from automate_governance.secrets.resolver import resolve
from automate_plugins import text

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RequiredSignature:
    """The signature that a callback must have: the scheme, and the reference of its secret."""

    scheme: SignatureScheme
    secret: str

    def is_signed_by(self, delivery: Delivery) -> bool:
        """Whether the delivery has it. Raises SecretUnavailableError."""
        try:
            secret = resolve(self.secret).reveal()
        except SecretNotFoundError as error:
            log.error("a callback cannot be verified: %s", error)
            return False
        if problem := self.scheme.secret_problem(secret):
            log.error("a callback cannot be verified with the secret %s: %s", self.secret, problem)
            return False
        return verification.is_signed_by(self.scheme, secret, delivery)


def find_required_signature(run_id: uuid.UUID, path: str) -> RequiredSignature | None:
    """The signature that callbacks to the wait at `path` need; None for none, and without such a run.

    Raises SchemeError for a scheme that no longer exists.
    """
    run = ExecutionRun.objects.select_related("version").only("version__definition").filter(pk=run_id).first()
    steps = walk(parse(run.version.definition).steps) if run else ()
    for _, step in steps:
        if isinstance(step, WaitStep) and step.key == key_of(path) and step.scheme:
            return RequiredSignature(scheme_for(step.scheme, step.scheme_config), step.secret)
    return None


def find_signed_scheme(step: WaitStep) -> SignatureScheme:
    """The scheme of a wait. Raises SchemeError for one that does not fit, or that proves nothing."""
    scheme = scheme_for(step.scheme, step.scheme_config)
    if not scheme.has_secret:
        raise SchemeError(
            text("%(scheme)s does not verify callbacks. Choose a scheme with a signature.", scheme=scheme.name),
            field="scheme",
        )
    return scheme


@validates(WaitStep)
def signature_problems(step: WaitStep, place: str) -> Iterator[Problem]:
    """Problems of the scheme that a wait names for its callbacks."""
    if not step.scheme:
        return
    try:
        find_signed_scheme(step)
    except SchemeError as error:
        yield Problem(f"{place}.{'scheme' if error.field == 'scheme' else 'scheme_config'}", str(error))
