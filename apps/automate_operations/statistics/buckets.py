"""Durations in buckets that grow by a quarter of a doubling: enough to say how long half of them took, within a tenth.

Bucket b holds from 2**(b/4) to 2**((b+1)/4) milliseconds, the first also what is shorter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

A_DOUBLING = 4

#: SQL: the bucket of an interval. In floating point, since logarithms of numerics take a hundred times as long.
BUCKET_OF = f"floor(ln(greatest(date_part('epoch', {{}}) * 1000, 1)) * {A_DOUBLING / math.log(2)!r})::smallint"


def seconds(bucket: int) -> float:
    """The middle of a bucket."""
    return float(2 ** ((bucket + 0.5) / A_DOUBLING)) / 1000


def percentile(counts: Mapping[int, int], share: float) -> float | None:
    """The seconds within which that share of them lies; None when there are none. `counts` are by bucket."""
    wanted = sum(counts.values()) * share
    reached = 0
    for bucket in sorted(counts):
        reached += counts[bucket]
        if reached >= wanted > 0:
            return seconds(bucket)
    return None
