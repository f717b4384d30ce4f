"""One file with everything that was acknowledged at one moment, and the way back from it."""
