"""What was searched, written down so that it can be repeated and proven."""
