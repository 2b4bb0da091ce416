"""Corrections: wrong data found by the house becomes an order to whoever has to know it right."""
