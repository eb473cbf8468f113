"""Names -> loaded encoders and cross-encoders."""
