"""Training the miniature's foundation models."""
