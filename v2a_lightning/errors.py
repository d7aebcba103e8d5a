"""Errors a person can act on: one line that names the file, flag or key, and what to do."""


class V2AError(Exception):
    """Base of every error this project raises on purpose; the command line prints its message as one line."""

    exit_code: int = 1


class UsageError(V2AError):
    """The command or its configuration is wrong: nothing was run (exit code 2)."""

    exit_code = 2


class RunFailure(V2AError):  # noqa: N818 (what failed is the run)
    """The command was right, and what it ran into stopped it (exit code 1)."""

    exit_code = 1
