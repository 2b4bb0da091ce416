"""Webhooks out, the working side: the HTTP client that looks where it connects to, and the sender."""
