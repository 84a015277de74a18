"""Contracts of what starts workflows: polls and webhooks of connectors."""
