"""Facts about a feature in, its detected phase with evidence out; pure."""
