"""Accounts of people who leave: their objects, and handing them over."""
