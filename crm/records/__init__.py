"""Customers, their numbers and vehicles, and who is calling."""
