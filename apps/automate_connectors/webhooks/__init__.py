"""Webhooks at services: checked calls of a connector that register, find, renew and remove them."""
