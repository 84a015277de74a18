"""Traces across systems: the collector of the settings, and the trace that code in this process belongs to."""
