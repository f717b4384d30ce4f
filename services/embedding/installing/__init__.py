"""Models as things that are installed, checked, measured, chosen and removed."""
