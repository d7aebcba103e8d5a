"""The command line: one file a command, LightningCLI and the diagnostics. Only this room may import every other."""
