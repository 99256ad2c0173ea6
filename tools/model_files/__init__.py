"""The tables and text behind the prototxt files that tools/make_models.py writes."""
