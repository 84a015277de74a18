"""Accounts of people who leave: what they hold, and handing it over."""
