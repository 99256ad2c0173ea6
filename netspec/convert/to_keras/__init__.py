"""Keras 3 export: a functional model in the source, and its weights."""
