"""What ``nearfield doctor`` looks at. Each check says what it found and, when that is not good, what to do."""
