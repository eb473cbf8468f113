"""Retrieve, fuse, rerank: one object behind the command line, the REPL and the notebooks."""
