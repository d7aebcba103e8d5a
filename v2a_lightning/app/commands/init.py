"""`init`: a folder of one's own to begin with."""

import shutil
from pathlib import Path

from v2a_lightning.app.messages import PROGRAM
from v2a_lightning.errors import UsageError
from v2a_lightning.project_configs import CONFIGS

TEMPLATE = CONFIGS / "init"


def init(folder: str, /) -> int:
    """Put a config, an ablation, a sweep and a Makefile into an empty folder.

    config.yaml trains on a folder of videos, with the small models that come with the package; the one line to change
    is the folder's name. ablation.yaml varies it by `make ablation`, sweep.yaml by the agents of Weights & Biases.

    Args:
        folder: where to; it is made, and must be empty when it is there.
    """
    path = Path(folder)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UsageError(f"{path} is {'not empty' if path.is_dir() else 'a file'}; name a folder that is new or empty")
    path.mkdir(parents=True, exist_ok=True)
    for file in sorted(TEMPLATE.iterdir()):
        print(shutil.copyfile(file, path / file.name))
    print(f"next: name your folder of videos in the line data.media of {path / 'config.yaml'}, then")
    print(f"  cd {path} && {PROGRAM} fit --config config.yaml")
    return 0
