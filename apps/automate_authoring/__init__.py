"""Workflows as people edit, test and publish them."""
