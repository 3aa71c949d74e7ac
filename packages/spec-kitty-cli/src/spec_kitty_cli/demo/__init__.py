"""The demonstration: a stage that is thrown away, an agent that misbehaves, and claims that are checked on disk."""
