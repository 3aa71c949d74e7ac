"""Frozen values and closed vocabularies that every other part speaks in; pure."""
