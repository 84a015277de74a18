"""Retention and plug-ins."""
