"""Figures, each a command: speed as ratios against named baselines, and search quality."""
