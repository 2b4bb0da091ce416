"""Opt-outs and recording notices, with proof."""
