"""What lies on disk: segments, parts and generations."""
