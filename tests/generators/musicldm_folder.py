"""A MusicLDM in its published layout, from the parts of an AudioLDM and a CLAP."""

import json
import shutil
from pathlib import Path

TOKENIZER = ("tokenizer_config.json", "tokenizer.json", "vocab.json", "merges.txt", "special_tokens_map.json")


def write_musicldm(folder: Path, audioldm: Path, clap: Path) -> Path:
    """Put copied weights where ucsd-reach/musicldm has them: a whole ClapModel as `text_encoder`.

    Args:
        folder: to write.
        audioldm: folder with unet, vae, vocoder and scheduler.
        clap: ClapModel folder with its tokenizer and its preprocessor's config.
    """
    for name in ("unet", "vae", "vocoder", "scheduler"):
        shutil.copytree(audioldm / name, folder / name)
    for part, names in {
        "text_encoder": ("config.json", "model.safetensors"),
        "feature_extractor": ("preprocessor_config.json",),
        "tokenizer": TOKENIZER,
    }.items():
        (folder / part).mkdir()
        for name in names:
            if (clap / name).is_file():
                shutil.copy(clap / name, folder / part)
    index = {"_class_name": "MusicLDMPipeline", "text_encoder": ["transformers", "ClapModel"]}
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder
