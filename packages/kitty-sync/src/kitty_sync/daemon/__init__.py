"""The sync daemon: one process for each state root, found through that root and nowhere else."""
