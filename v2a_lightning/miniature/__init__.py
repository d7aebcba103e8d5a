"""The miniature: a rendered audio-visual world and small foundation models trained on it."""
