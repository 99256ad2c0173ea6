"""PyTorch export: a module that reads as if a person had written it, and its weights."""
