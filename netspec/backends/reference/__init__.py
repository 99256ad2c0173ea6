"""The operations in plain NumPy, a module a family."""
