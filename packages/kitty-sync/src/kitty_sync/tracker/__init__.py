"""Issue trackers: credentials, providers and which issue belongs to which work package (FR-008)."""
