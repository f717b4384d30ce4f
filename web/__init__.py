"""The front doors: HTTP API and pages over services. Everything Flask stays in here."""
