"""Sources that hold many documents: rows, lines, items, members."""
