"""The commands, one module per use case; each is imported when one of its commands is run."""
