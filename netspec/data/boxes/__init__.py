"""Images with the boxes of their objects: records, SSD's transformation, batches."""
