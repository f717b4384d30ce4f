"""What a file is, seen from its content."""
