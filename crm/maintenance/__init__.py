"""Maintenance: plans of models, and when a vehicle is due."""
