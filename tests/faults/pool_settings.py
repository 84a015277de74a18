"""The site with a pool that performs every effect: the broker is in AUTOMATE_TEST_BROKER_URL."""

from __future__ import annotations

import os

from automate_site.settings import *  # noqa: F403

AUTOMATE_POOLS = {
    "default": {"executor": "celery", "broker": os.environ["AUTOMATE_TEST_BROKER_URL"], "resend_seconds": 5},
}
AUTOMATE_STEP_TIMEOUT_SECONDS = 15.0
