"""Triggers in the builder."""
