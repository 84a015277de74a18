"""Audit entries for the audit page and an object's history."""
