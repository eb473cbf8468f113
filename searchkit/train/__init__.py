"""Examples -> trained bi-encoders and cross-encoders."""
