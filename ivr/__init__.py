"""Telephone menus as data, the engine that plays them and its host."""
