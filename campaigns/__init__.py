"""Campaigns: the service calls customers, once, at the right time, and knows what came of it."""
