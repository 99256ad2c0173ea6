"""PyTorch export: a module that reads as a person would write it, and its weights."""
