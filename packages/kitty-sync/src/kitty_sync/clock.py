"""The Lamport clock of one root (FR-007)."""
