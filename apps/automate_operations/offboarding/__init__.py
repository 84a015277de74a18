"""Offboarding: the objects that a person holds, and their handover to an active person."""
