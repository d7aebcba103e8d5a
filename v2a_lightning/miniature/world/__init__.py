"""What is drawn and heard: events, scenes, pictures, sounds, and the clips rendered from them."""
