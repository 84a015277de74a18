"""A pool whose messages stay where the test can see them, and one that performs them at once."""

from __future__ import annotations

import uuid

import pytest
from django.tasks import task_backends

from automate_pools.performer import perform_step

DUMMY = "django.tasks.backends.dummy.DummyBackend"
IMMEDIATE = "django.tasks.backends.immediate.ImmediateBackend"


@pytest.fixture
def pools(settings):
    settings.TASKS = {
        "default": {"BACKEND": DUMMY},
        "kept": {"BACKEND": DUMMY, "QUEUES": []},
        "at-once": {"BACKEND": IMMEDIATE, "QUEUES": []},
    }
    settings.AUTOMATE_POOLS = {
        "gpu": {"executor": "tasks", "backend": "kept", "resend_seconds": 30},
        "near": {"executor": "tasks", "backend": "at-once"},
    }
    yield settings.AUTOMATE_POOLS
    task_backends["kept"].clear()


@pytest.fixture
def messages(pools):
    """The messages that were sent to the pool gpu, as (step id, token)."""

    def read():
        return [(uuid.UUID(result.args[0]), result.args[1]) for result in task_backends["kept"].results]

    return read


@pytest.fixture
def consume():
    """Perform a message as a consumer of the pool does."""

    def perform(message, performer="gpu-1"):
        return str(perform_step(*message, performer=performer))

    return perform
