"""Entries of the audit trail, as the trail's page and an object's history show them."""
