"""Runs and judgements -> measures."""
