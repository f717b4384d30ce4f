"""The ledger: what has been accepted and how far it is. The truth about every document."""
