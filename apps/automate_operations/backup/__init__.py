"""Backup and restore: the database, the keys and the stored files in one archive, encrypted on request."""
