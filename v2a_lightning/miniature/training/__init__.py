"""Training the miniature's foundation models from scratch, on the world's own train split: `make miniature`."""
