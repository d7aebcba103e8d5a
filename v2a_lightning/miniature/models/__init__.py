"""The architectures of the small foundation models, in the formats of the large ones."""
