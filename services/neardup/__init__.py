"""Near-duplicates: documents whose text another document has already, word for word or nearly."""
