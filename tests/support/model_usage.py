"""Calls of language models, as the ledger keeps them."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal

from django.utils import timezone

from automate_llm.models import LLMUsage


def model_call(cost, *, days=0, workflow="triage", model="small", status="answered", read=1_000, written=100, **more):
    return LLMUsage.objects.create(
        run=uuid.uuid4(), workflow=workflow, path="a", at=timezone.now(),
        day=timezone.localdate() - dt.timedelta(days=days), provider="openai", model=model, status=status,
        tokens_in=read, tokens_out=written, cost=None if cost is None else Decimal(cost), **more,
    )  # fmt: skip
