"""Listeners to a solver: terminal, Caffe-shaped log, JSON lines."""
