"""Recurrent networks that were trained as language models of a collection."""
