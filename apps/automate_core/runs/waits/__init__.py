"""Durable pauses of a run, and the operations that resolve them."""
