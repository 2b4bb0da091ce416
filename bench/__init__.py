"""Benchmarks beside named peers: python -m bench NAME."""
