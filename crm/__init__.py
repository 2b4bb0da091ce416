"""Customers, vehicles, tasks and consent."""
