"""`doctor`: what would go wrong, found before a long run instead of in it."""

import logging

from v2a_lightning.app.config_keys import config_arguments
from v2a_lightning.app.messages import PROGRAM

EXIT_CODES = {"ok": 0, "error": 1, "warning": 3}


def doctor(config: list[str], set: list[str] | None = None, fetch: bool = False) -> int:
    """Check everything a run needs: weights, device, memory, disk and data.

    Each line is ok, a warning or an error, with what to do about it. The exit code is 0 when all is ok, 1 when there
    is an error, 3 when the worst is a warning, and 2 when the config itself is wrong.

    Args:
        config: the YAML that `fit` would be given.
        set: keys that `fit` would be given beside it, such as `data.csv=clips.csv`.
        fetch: download checkpoints that are not on this machine.
    """
    arguments = config_arguments(config, set or [])
    from v2a_lightning.app.config_objects import ConfigReader
    from v2a_lightning.app.diagnostics import examine

    # Lightning tells which seed it sets; nothing is drawn here.
    logging.getLogger("lightning.fabric.utilities.seed").setLevel(logging.WARNING)
    worst = "ok"
    for finding in examine(ConfigReader(arguments), fetch):
        print(f"{finding.level:<8} {finding.subject:<10} {finding.text}")
        if finding.remedy:
            print(f"{'':<8} {'':<10} -> {finding.remedy}")
        worst = max(worst, finding.level, key=["ok", "warning", "error"].index)
    print(f"\nall in all: {worst}")
    if worst != "error":
        print(f"next: {PROGRAM} fit {' '.join(arguments)}")
    return EXIT_CODES[worst]
