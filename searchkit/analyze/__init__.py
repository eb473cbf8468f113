"""Text -> index terms."""
