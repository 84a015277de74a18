"""Durable pauses of a run, and what resolves them."""
