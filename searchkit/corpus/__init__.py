"""Files -> documents, queries, judgements and runs."""
