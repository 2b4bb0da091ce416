"""Webhooks out: what other systems are told of, how it is signed, when it is tried again, where it may go."""
