"""Metrics of generated sound, the extractors they listen with, and the cards their numbers leave with."""
