"""Measuring nets: whole test sets, and the time of each layer."""
