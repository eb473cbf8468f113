"""What needs both a searcher and measures: the gate that a model has to pass."""
