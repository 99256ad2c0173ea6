"""Carrying models to other formats and back, with proof that they compute the same."""
