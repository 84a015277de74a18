"""Errors that several layers raise and catch."""

from __future__ import annotations


class DeferredError(Exception):
    """A value that is loaded on access cannot be loaded."""
