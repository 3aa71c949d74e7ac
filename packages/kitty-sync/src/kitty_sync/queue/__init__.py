"""Events that wait for their server: queues, whose they are, and what becomes of their rows."""
