"""Layer 1: the legal record, the quarantine, and the guardian process that holds a work tree to its phase."""
