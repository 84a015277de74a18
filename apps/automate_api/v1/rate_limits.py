"""The rate limit of each person's tokens together, in this process's memory, and its headers.

`RateLimit-Policy` and `RateLimit` are those of draft-ietf-httpapi-ratelimit-headers.
"""

from __future__ import annotations

from django.http.response import HttpResponseBase

from automate_api.models import ApiToken
from automate_core.webhooks.rates import RateLimiter, Source

limiter = RateLimiter("AUTOMATE_API_RATE")


class RateLimitedError(Exception):
    """The person's tokens made too many requests; `seconds` is the time until the next one may come."""

    def __init__(self, seconds: int) -> None:
        super().__init__(seconds)
        self.seconds = seconds


def count_request(token: ApiToken) -> None:
    """Count one request. Raises RateLimitedError."""
    if seconds := limiter.take(_source(token)):
        raise RateLimitedError(seconds)


def set_headers(response: HttpResponseBase, token: ApiToken) -> None:
    """Say how many requests are left."""
    limit, left, seconds = limiter.left(_source(token))
    if limit:
        response.headers["RateLimit-Policy"] = f'"token";q={limit};w=60'
        response.headers["RateLimit"] = f'"token";r={left};t={seconds}'


def _source(token: ApiToken) -> Source:
    return str(token.owner_id), ""
