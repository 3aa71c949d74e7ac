"""Use cases that move the workflow on: check what has to be there, append, then write what the move brings."""
