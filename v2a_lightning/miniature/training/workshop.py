"""Training the miniature's foundation models from scratch, on the world's own train split: `make miniature`."""

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch.callbacks import EMAWeightAveraging
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import RobertaTokenizer

from v2a_lightning.checkpoints.weights import load_strictly, read_weights
from v2a_lightning.encoders import ClapEncoder
from v2a_lightning.errors import UsageError
from v2a_lightning.evaluation.extractors.cnn14 import Cnn14
from v2a_lightning.evaluation.extractors.vggish import VGGish
from v2a_lightning.evaluation.extractors.wav2clip import Wav2CLIP
from v2a_lightning.files import atomic_write, sha256_file
from v2a_lightning.generators.clap_match import write_self_test
from v2a_lightning.generators.diffusion_folder import save_audioldm
from v2a_lightning.json_files import write_json
from v2a_lightning.miniature import models as build
from v2a_lightning.miniature.referee import WEIGHTS
from v2a_lightning.miniature.training import classifiers, contrastive, diffusion, sound_codec
from v2a_lightning.miniature.training.data import Pictures, Sounds
from v2a_lightning.miniature.training.part import Part, threads, train_part
from v2a_lightning.miniature.world.scenes import WORLD_VERSION, captions

TRAIN_SOUNDS, TRAIN_PICTURES = 11_200, 8_400
FOLDERS: dict[str, tuple[str, ...]] = {
    "clip": ("clip",),
    "clap": ("clap",),
    "audioldm": ("autoencoder", "diffusion", "vocoder"),
    **{part: (part,) for part in ("cnn14", "vggish", "wav2clip", "referee")},
}
"""Each folder of weights, and the parts it is made of."""


@dataclass
class Workshop:
    """Where the miniature is made: `work` holds data and checkpoints, `<part>/last.ckpt` while training and
    `<part>/model.safetensors` after, and `output` the finished weights."""

    work: Path
    output: Path

    @cached_property
    def sounds(self) -> Sounds:
        """The sounds of the train split."""
        return Sounds(self.work / "cache", "train", TRAIN_SOUNDS)

    @cached_property
    def pictures(self) -> Pictures:
        """The pictures of the train split."""
        return Pictures(self.work / "cache", "train", TRAIN_PICTURES)

    @cached_property
    def tokenizer(self) -> RobertaTokenizer:
        """Learned from the captions; CLIP and CLAP have the same words and nothing else in common."""
        return build.train_tokenizer([caption for clip in self.sounds.clips for caption in captions(clip)])

    def file(self, name: str) -> Path:
        """The trained tensors of a part."""
        return self.work / name / "model.safetensors"

    def train(self, name: str) -> None:
        """Train a part and keep the tensors of the module that is named."""
        make, module = PARTS[name]
        part = make(self)
        begin = time.monotonic()
        train_part(part, self.work / name, [EMAWeightAveraging(decay=0.998)] if name == "diffusion" else None)
        minutes = (time.monotonic() - begin) / 60
        tensors = {key: tensor.contiguous() for key, tensor in getattr(part, module).state_dict().items()}
        recipe = {key: str(getattr(part, key)) for key in ("steps", "seed", "learning_rate", "threads")}
        with atomic_write(self.file(name)) as path:
            save_file(tensors, path, metadata={**recipe, "minutes": f"{minutes:.1f}"})

    def load(self, name: str) -> Any:
        """The trained module of a part, frozen."""
        module = BUILDERS[name](len(self.tokenizer))
        return load_strictly(module, read_weights(self.file(name)), self.file(name)).requires_grad_(False)

    def unconditional(self) -> Tensor:
        """(512,) CLAP's embedding of the empty text, as AudioLDM has it."""
        tokens = self.tokenizer([""], return_tensors="pt")
        return contrastive.pooled(self.load("clap").get_text_features(**tokens))[0].clone()

    def latents(self) -> NDArray[np.float16]:
        """(count, 16, T / 8, 8) mean and deviation of every sound's latents."""
        return sound_codec.encode_all(self.load("autoencoder"), self.sounds, self.work / "cache" / "latents.npy")

    def write_folders(self) -> None:
        """Write all models in the formats of the large ones, at half precision, each with its card."""
        unet, vae = self.load("diffusion"), self.load("autoencoder")
        sound_codec.set_scaling_factor(vae, self.latents())
        sound = unet, vae, self.load("vocoder"), diffusion.miniature_scheduler()
        save_audioldm(*sound, self.unconditional(), self.output / "audioldm")
        build.save_clap(self.load("clap"), self.tokenizer, self.output / "clap")
        build.save_clip(self.load("clip"), self.tokenizer, self.output / "clip")
        for name in ("cnn14", "vggish", "wav2clip"):
            self.load(name).save_pretrained(self.output / name)
        with atomic_write(self.output / "referee" / "model.safetensors") as path:
            save_file(load_file(self.file("referee")), path)
        for file in self.output.rglob("*.safetensors"):
            halve(file)
        write_self_test(self.output / "audioldm", ClapEncoder(str(self.output / "clap")))
        write_cards(self.output, {name: self.file(name) for name in PARTS})


def _clap(shop: Workshop) -> Part:
    cache = shop.work / "cache" / f"clap-rebuilt-{shop.sounds.count}.npy"
    rebuilt = contrastive.rebuilt_features(shop.sounds, shop.load("autoencoder"), shop.load("vocoder"), cache)
    return contrastive.ClapTraining(shop.sounds, shop.tokenizer, rebuilt)


def _diffusion(shop: Workshop) -> Part:
    latents = shop.latents()
    factor = sound_codec.set_scaling_factor(shop.load("autoencoder"), latents)
    embeddings = contrastive.embed_sounds(shop.load("clap"), shop.sounds)
    return diffusion.DiffusionTraining(latents, factor, embeddings, shop.unconditional())


def _wav2clip(shop: Workshop) -> Part:
    pictures = contrastive.embed_pictures(shop.load("clip"), shop.pictures)
    return classifiers.Wav2CLIPTraining(shop.sounds, pictures)


BUILDERS: dict[str, Callable[[int], Any]] = {
    "autoencoder": lambda _: build.build_vae(),
    "vocoder": lambda _: build.build_vocoder(),
    "clap": build.build_clap,
    "diffusion": lambda _: build.build_unet(),
    "clip": build.build_clip,
    "cnn14": lambda _: Cnn14(classifiers.CNN14),
    "vggish": lambda _: VGGish(classifiers.VGGISH),
    "wav2clip": lambda _: Wav2CLIP(classifiers.WAV2CLIP),
}
"""What a part's module is built by, given the size of the vocabulary."""
PARTS: dict[str, tuple[Callable[[Workshop], Part], str]] = {
    "referee": (lambda shop: classifiers.RefereeTraining(shop.sounds), "referee"),
    "autoencoder": (lambda shop: sound_codec.AutoencoderTraining(shop.sounds), "vae"),
    "vocoder": (lambda shop: sound_codec.VocoderTraining(shop.sounds, shop.load("autoencoder")), "vocoder"),
    "clap": (_clap, "clap"),
    "diffusion": (_diffusion, "unet"),
    "clip": (lambda shop: contrastive.ClipTraining(shop.pictures, shop.tokenizer), "clip"),
    "cnn14": (lambda shop: classifiers.TaggerTraining(shop.sounds), "tagger"),
    "vggish": (lambda shop: classifiers.VGGishTraining(shop.sounds), "vggish"),
    "wav2clip": (_wav2clip, "wav2clip"),
}
"""The parts in the order they are trained: how each is set up, and which of its modules is kept."""


def halve(file: Path) -> None:
    """Store the matrices of a safetensors file at half precision; norms and statistics stay as they are."""
    tensors = {
        key: tensor.half() if tensor.is_floating_point() and tensor.ndim >= 2 else tensor
        for key, tensor in load_file(file).items()
    }
    with atomic_write(file) as path:
        save_file(tensors, path, metadata={"format": "pt"})


def train(work: Path, output: Path | None = None) -> None:
    """Train every part that `work` does not hold yet, write the models to `output` (the package's own weights when not
    given), and say which are the shipped ones to the last bit. UsageError for a `work` of another world's version."""
    before = read_cards(WEIGHTS)
    claim_folder(Path(work))
    workshop = Workshop(Path(work), Path(output) if output else WEIGHTS)
    # What is worked out between trainings hangs on the number of threads too; a training sets its own.
    with threads(1):
        for name in PARTS:
            if not workshop.file(name).exists():
                print(f"training the miniature's {name}", flush=True)
                workshop.train(name)
        workshop.write_folders()
    others = changed(before, read_cards(workshop.output))
    for folder in FOLDERS:
        found = "other weights than" if folder in others else "the same to the last bit as"
        print(f"{workshop.output / folder}: {found} those that were shipped", flush=True)
    if others and workshop.output == WEIGHTS:
        print("measure them: python -m v2a_lightning miniature check --update_cards true", flush=True)


def claim_folder(work: Path) -> None:
    """Note in a folder which version of the world its data are of; UsageError when they are of another."""
    marker = work / "world.json"
    if not marker.is_file():
        write_json(marker, {"version": WORLD_VERSION})
    elif (version := json.loads(marker.read_text())["version"]) != WORLD_VERSION:
        raise UsageError(f"{work} holds version {version} of the world, not {WORLD_VERSION}; give another --work")


def read_cards(output: Path) -> dict[str, dict[str, Any]]:
    """The cards that are there, by folder."""
    files = {folder: output / folder / "card.json" for folder in FOLDERS}
    return {folder: json.loads(file.read_text()) for folder, file in files.items() if file.is_file()}


def write_cards(output: Path, trained: dict[str, Path]) -> None:
    """Write `card.json` beside each folder's weights.

    Figures that `check` measured stay when every file has come back to the last bit; of other weights they say nothing.
    `trained` are each part's tensors, whose metadata hold their recipe.
    """
    before = read_cards(output)
    cards: dict[str, dict[str, Any]] = {}
    for folder, parts in FOLDERS.items():
        files = sorted((output / folder).rglob("*.safetensors"))
        cards[folder] = {
            "name": f"miniature-{folder}",
            "trained": True,
            "data": f"train split of the miniature world {WORLD_VERSION}, seed 0 (v2a_lightning/miniature/world.py)",
            "licence": "Apache-2.0",
            "precision": "matrices float16, the rest float32",
            "parameters": sum(_parameters(file) for file in files),
            "recipe": {part: _recipe(trained[part]) for part in parts},
            "sha256": {str(file.relative_to(output / folder)): sha256_file(file) for file in files},
        }
    same = before.keys() == cards.keys() and not changed(before, cards)
    for folder, card in cards.items():
        if same and "figures" in before[folder]:
            card["figures"] = before[folder]["figures"]
        write_json(output / folder / "card.json", card, indent=2)


def changed(before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]) -> list[str]:
    """The folders whose weights are not the same to the last bit in two sets of cards."""
    digests = [{folder: card["sha256"] for folder, card in cards.items()} for cards in (before, after)]
    return [folder for folder in FOLDERS if digests[0].get(folder) != digests[1].get(folder)]


def _recipe(file: Path) -> dict[str, float]:
    with safe_open(file, "pt") as tensors:
        return {key: float(value) for key, value in sorted((tensors.metadata() or {}).items()) if key != "format"}


def _parameters(file: Path) -> int:
    with safe_open(file, "pt") as tensors:
        return sum(math.prod(tensors.get_slice(key).get_shape()) for key in tensors.keys())  # noqa: SIM118 (no dict)
