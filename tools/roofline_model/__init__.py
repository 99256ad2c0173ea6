"""The model behind tools/roofline.py: devices, products, counts, predictions."""
