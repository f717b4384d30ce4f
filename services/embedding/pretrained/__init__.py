"""Transformers as transformers itself saves them: no steps are listed beside them, so the pooling is chosen here."""
