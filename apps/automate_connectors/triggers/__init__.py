"""Trigger kinds of plug-ins: the contract, the installed ones, and those of connectors."""
