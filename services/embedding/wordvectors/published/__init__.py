"""Readers of the published files of word vectors: GloVe, word2vec and fastText, text and binary."""
