"""Queries -> first-stage rankings."""
