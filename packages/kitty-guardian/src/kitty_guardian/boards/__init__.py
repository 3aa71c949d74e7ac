"""Where work packages stand and what the store keeps, for people and tools: reads only."""
