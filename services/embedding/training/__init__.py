"""What the trainers of word and vector families share: settings, walking over texts, vocabularies, windows."""
