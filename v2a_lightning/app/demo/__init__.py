"""The demo: a page in a browser on which a picture or a video becomes sound."""
