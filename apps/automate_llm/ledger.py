"""The ledger: each model call is recorded before it is made, and settled when it has ended.

Recording it before counts calls in flight against budgets and survives a crash; the key is run, step, attempt and call,
so that none counts twice. It is settled before the step's outcome can be recorded: a finished step has its usage. Both
are transactions of their own, since a paid call stays paid when a lease is lost.
"""

from __future__ import annotations

import logging
import uuid
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from automate_connectors.adapters.base import ConnectorError
from automate_governance import audit
from automate_governance.permissions import Person
from automate_llm import budgets
from automate_llm.models import LLMUsage
from automate_llm.prices import Price
from automate_llm.reported_usage import SettledUsage
from automate_plugins import text

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """A recorded call."""

    pk: int
    price: Price | None
    tokens_in: int


class Ledger:
    """The calls of one attempt of a step, or of none."""

    def __init__(self, context: dict[str, Any]) -> None:
        run, step = context.get("run") or {}, context.get("step") or {}
        self._workflow: str = run.get("workflow", "")
        self._run = uuid.UUID(run["id"]) if run.get("id") and step else None
        self._path: str = step.get("path", "")
        self._attempt: int = step.get("attempt", 0)
        self._calls = 0

    def reserve(self, *, provider: str, model: str, price: Price | None, tokens_in: int, tokens_out: int) -> Entry:
        """Record a call at its maximum usage, if every budget allows that.

        Raises ConnectorError (`budget_exceeded`, `price_unknown`, `database_away`). No connection is held afterwards.
        """
        self._calls += 1
        cost = price.cost_of(tokens_in, tokens_out) if price else None
        day = budgets.today()
        try:
            with transaction.atomic():
                budgets.check_budgets(
                    self._workflow, day, cost=cost, tokens=tokens_in + tokens_out, what=f"{provider}/{model}"
                )
                row = self._write(
                    {
                        "workflow": self._workflow,
                        "at": timezone.now(),
                        "day": day,
                        "provider": provider[:300],
                        "model": model[:200],
                        "status": LLMUsage.Status.IN_FLIGHT,
                        "tokens_in": tokens_in,
                        "tokens_out": tokens_out,
                        "is_estimated": True,
                        "cost": cost,
                    }
                )
        except budgets.BudgetRefusal as refusal:
            budgets.record_refusal(refusal, day)
            raise
        except DatabaseError as error:
            message = text("The database is unavailable: %(reason)s", reason=str(error))
            raise ConnectorError(message, code="database_away", retryable=True) from error
        finally:
            _release_connection()
        return Entry(row.pk, price, tokens_in)

    def _write(self, values: dict[str, Any]) -> LLMUsage:
        if self._run is None:
            return LLMUsage.objects.create(call=self._calls, **values)
        step: dict[str, Any] = {"run": self._run, "path": self._path, "attempt": self._attempt, "call": self._calls}
        return LLMUsage.objects.update_or_create(**step, defaults=values)[0]

    def record_answer(self, entry: Entry, settled: SettledUsage) -> None:
        """Settle the call with its actual usage."""
        usage = settled.usage
        _settle(
            entry,
            status=LLMUsage.Status.ANSWERED,
            tokens_in=usage.tokens_in,
            tokens_out=usage.tokens_out,
            is_estimated=settled.is_estimated,
            is_capped=settled.is_capped,
            cost=entry.price.cost_of(usage.tokens_in, usage.tokens_out) if entry.price else None,
        )

    def record_refusal(self, entry: Entry) -> None:
        """Settle a call that was rejected or never sent, at no cost."""
        _settle(entry, status=LLMUsage.Status.REFUSED, tokens_in=0, tokens_out=0, is_estimated=False, cost=0)

    def record_unknown(self, entry: Entry) -> None:
        """Settle a call that broke off: its reservation stays."""
        _settle(entry, status=LLMUsage.Status.IN_DOUBT)


@transaction.atomic
def void_call(pk: int, *, by: Person) -> LLMUsage | None:
    """Have a call count nothing under any budget, audited; None where there is none. Voiding again changes nothing."""
    row = LLMUsage.objects.select_for_update().filter(pk=pk).first()
    if row is None or row.status == LLMUsage.Status.VOIDED:
        return row
    counted = {"tokens_in": row.tokens_in, "tokens_out": row.tokens_out, "cost": str(row.cost)}
    row.status, row.tokens_in, row.tokens_out, row.cost = LLMUsage.Status.VOIDED, 0, 0, Decimal(0)
    row.save(update_fields=["status", "tokens_in", "tokens_out", "cost"])
    changes = {**counted, "provider": row.provider, "model": row.model, "workflow": row.workflow, "day": str(row.day)}
    audit.record(by, "model_call.voided", row, changes=changes)
    return row


def _settle(entry: Entry, **values: Any) -> None:
    """Write how a call ended. Without a database it stays in flight, at its maximum usage."""
    try:
        LLMUsage.objects.filter(pk=entry.pk).exclude(status=LLMUsage.Status.VOIDED).update(**values)
    except DatabaseError as error:
        log.warning("the usage %s could not be settled; its estimate is counted: %s", entry.pk, error)
    finally:
        _release_connection()


def _release_connection() -> None:
    """Release the database connection during a call."""
    if not connection.in_atomic_block:
        connection.close()
