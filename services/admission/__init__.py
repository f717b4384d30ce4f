"""Whether there is room for more: what is watched, when new work is refused, and when it is taken again."""
