"""Questionnaires: what customers are asked, in which order, and what their answers mean. No I/O."""
