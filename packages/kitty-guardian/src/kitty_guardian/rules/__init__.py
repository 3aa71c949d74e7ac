"""What may be written in which phase: the table, the reading of paths, the policy and the decision; pure."""
