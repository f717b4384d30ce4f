"""Making a lost part again from what is left: the ledger from the envelopes, and what backups say beside them."""
