"""Contacts: whom the house must call, why, by when, and what came of it."""
