"""The commit rule: which commits may stand (enforcement model, section 4); one rule for watcher, hooks and CI."""
