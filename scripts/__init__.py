"""Helpers for developers and for the image: set-up, pins, checks. Plain standard library, no part of the product."""
