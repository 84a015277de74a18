"""Keys that are in the order of time."""

from __future__ import annotations

import time
import uuid

from automate_core.ids import uuid7


def test_keys_made_one_after_the_other_are_in_order():
    before = time.time_ns() // 1_000_000
    made = [uuid7() for _ in range(2_000)]
    assert made == sorted(made) and len(set(made)) == len(made)
    assert {(key.version, key.variant) for key in made} == {(7, uuid.RFC_4122)}
    assert before <= made[0].int >> 80 <= made[-1].int >> 80 <= time.time_ns() // 1_000_000
