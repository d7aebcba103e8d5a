"""One plain function per command; its signature is the command line."""
