"""Hosted forms: public pages, without the admin's chrome, whose answers start workflows."""
