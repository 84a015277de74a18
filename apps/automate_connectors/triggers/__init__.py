"""Trigger kinds of plug-ins: the contract, the installed ones, and how they stand beside those of connectors."""
