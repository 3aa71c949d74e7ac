"""Files, directories, locks and databases below the root: every write of this package goes through here."""
