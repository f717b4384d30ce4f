"""Models of pictures and sounds."""
