"""The shared embedding module: which models there are, how they are loaded, how texts are batched."""
