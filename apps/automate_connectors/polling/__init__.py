"""Polls of connectors: one checked call, and a look at what a poll would find now."""
