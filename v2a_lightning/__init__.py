"""V2A-Lightning: train a mapper from what is seen to what is heard, take it apart, and trust the numbers."""

__version__ = "0.1.0"
