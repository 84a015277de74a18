"""Screens of the API in the admin: tokens and service accounts. Their templates use the studio's design."""
