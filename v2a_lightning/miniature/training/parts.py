"""The miniature's parts in the order they are trained, and how each becomes files."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import load_file, save_file
from torch import Tensor

from v2a_lightning.checkpoints.weights import load_strictly, read_weights
from v2a_lightning.encoders import ClapEncoder
from v2a_lightning.files import atomic_write
from v2a_lightning.generators.clap_match import write_self_test
from v2a_lightning.miniature.training import autoencoder, clap, clip, diffusion, evaluators, referee, vocoder
from v2a_lightning.miniature.training.cards import write_cards
from v2a_lightning.miniature.training.part import Part, train_part
from v2a_lightning.miniature.training.pictures import Pictures
from v2a_lightning.miniature.training.sounds import Sounds
from v2a_lightning.miniature.world.scenes import captions

TRAIN_SOUNDS, TEST_SOUNDS, TRAIN_PICTURES = 11_200, 1_120, 8_400


@dataclass
class Workshop:
    """Where the miniature is made.

    Args:
        work: folder of data and checkpoints, `<part>/last.ckpt` while training and `<part>/model.safetensors` after.
        output: folder of the finished weights.
    """

    work: Path
    output: Path

    @cached_property
    def train(self) -> Sounds:
        return Sounds(self.work / "cache", "train", TRAIN_SOUNDS)

    @cached_property
    def test(self) -> Sounds:
        return Sounds(self.work / "cache", "test", TEST_SOUNDS)

    @cached_property
    def pictures(self) -> Pictures:
        return Pictures(self.work / "cache", "train", TRAIN_PICTURES)

    @cached_property
    def tokenizer(self) -> Any:
        """Learned from the captions; CLIP and CLAP have the same words and nothing else in common."""
        from v2a_lightning.miniature.models.architectures import train_tokenizer

        return train_tokenizer([caption for clip in self.train.clips for caption in captions(clip)])

    def finished(self, name: str) -> bool:
        return self._file(name).exists()

    def fit(self, name: str, part: Part, module: Any, **options: Any) -> None:
        """Train a part and keep the tensors of one of its modules."""
        begin = time.monotonic()
        train_part(part, self.work / name, **options)
        minutes = (time.monotonic() - begin) / 60
        tensors = {key: tensor.contiguous() for key, tensor in module.state_dict().items()}
        recipe = {
            "steps": part.steps,
            "seed": part.seed,
            "learning_rate": part.learning_rate,
            "threads": part.threads,
            "minutes": f"{minutes:.1f}",
        }
        with atomic_write(self._file(name)) as path:
            save_file(tensors, path, metadata={key: str(value) for key, value in recipe.items()})

    def load(self, name: str, module: Any) -> Any:
        """A module with the tensors that were kept of a part, frozen."""
        file = self._file(name)
        return load_strictly(module, read_weights(file), file).requires_grad_(False)

    def vae(self) -> Any:
        from v2a_lightning.miniature.models.architectures import build_vae

        return self.load("autoencoder", build_vae())

    def vocoder(self) -> Any:
        from v2a_lightning.miniature.models.architectures import build_vocoder

        return self.load("vocoder", build_vocoder())

    def clap(self) -> Any:
        from v2a_lightning.miniature.models.architectures import build_clap

        return self.load("clap", build_clap(len(self.tokenizer)))

    def clip(self) -> Any:
        from v2a_lightning.miniature.models.architectures import build_clip

        return self.load("clip", build_clip(len(self.tokenizer)))

    def unconditional(self) -> Tensor:
        """(512,) CLAP's embedding of the empty text, as AudioLDM has it."""
        tokens = self.tokenizer([""], return_tensors="pt")
        return clap.pooled(self.clap().get_text_features(**tokens))[0].clone()

    def latents(self) -> np.ndarray:
        return autoencoder.encode_all(self.vae(), self.train, self.work / "cache" / "latents.npy")

    def write_folders(self) -> None:
        """Write all models in the formats of the large ones, at half precision, each with its card."""
        from v2a_lightning.miniature.models import architectures as build

        unet = self.load("diffusion", build.build_unet())
        vae, latents = self.vae(), self.latents()
        autoencoder.set_scaling_factor(vae, latents)
        sound = unet, vae, self.vocoder(), diffusion.miniature_scheduler()
        build.save_audioldm(*sound, self.unconditional(), self.output / "audioldm")
        build.save_clap(self.clap(), self.tokenizer, self.output / "clap")
        build.save_clip(self.clip(), self.tokenizer, self.output / "clip")
        for name, extractor in evaluators.extractors().items():
            self.load(name, extractor).save_pretrained(self.output / name)
        with atomic_write(self.output / "referee" / "model.safetensors") as path:
            save_file(load_file(self._file("referee")), path)
        for file in self.output.rglob("*.safetensors"):
            halve(file)
        write_self_test(self.output / "audioldm", ClapEncoder(str(self.output / "clap")))
        write_cards(self.output, {name: self._file(name) for name in PARTS})

    def _file(self, name: str) -> Path:
        return self.work / name / "model.safetensors"


def train_referee(shop: Workshop) -> None:
    part = referee.RefereeTraining(shop.train)
    shop.fit("referee", part, part.referee)


def train_autoencoder(shop: Workshop) -> None:
    part = autoencoder.AutoencoderTraining(shop.train)
    shop.fit("autoencoder", part, part.vae)


def train_vocoder(shop: Workshop) -> None:
    part = vocoder.VocoderTraining(shop.train, shop.vae())
    shop.fit("vocoder", part, part.vocoder)


def train_clap(shop: Workshop) -> None:
    cache = shop.work / "cache" / f"clap-rebuilt-{shop.train.count}.npy"
    rebuilt = clap.rebuilt_features(shop.train, shop.vae(), shop.vocoder(), cache)
    part = clap.ClapTraining(shop.train, shop.tokenizer, rebuilt)
    shop.fit("clap", part, part.clap)


def train_diffusion(shop: Workshop) -> None:
    latents, vae = shop.latents(), shop.vae()
    factor = autoencoder.set_scaling_factor(vae, latents)
    embeddings = clap.embed_all(shop.clap(), shop.train)
    part = diffusion.DiffusionTraining(latents, factor, embeddings, shop.unconditional())
    shop.fit("diffusion", part, part.unet, callbacks=[diffusion.averaging()])


def train_clip(shop: Workshop) -> None:
    part = clip.ClipTraining(shop.pictures, shop.tokenizer)
    shop.fit("clip", part, part.clip)


def train_tagger(shop: Workshop) -> None:
    part = evaluators.TaggerTraining(shop.train)
    shop.fit("cnn14", part, part.tagger)


def train_vggish(shop: Workshop) -> None:
    part = evaluators.VGGishTraining(shop.train)
    shop.fit("vggish", part, part.vggish)


def train_wav2clip(shop: Workshop) -> None:
    part = evaluators.Wav2CLIPTraining(shop.train, clip.embed_clips(shop.clip(), shop.pictures))
    shop.fit("wav2clip", part, part.wav2clip)


PARTS: dict[str, Callable[[Workshop], None]] = {
    "referee": train_referee,
    "autoencoder": train_autoencoder,
    "vocoder": train_vocoder,
    "clap": train_clap,
    "diffusion": train_diffusion,
    "clip": train_clip,
    "cnn14": train_tagger,
    "vggish": train_vggish,
    "wav2clip": train_wav2clip,
}


def halve(file: Path) -> None:
    """Store the matrices of a safetensors file at half precision; norms and statistics stay as they are."""
    tensors = {
        key: tensor.half() if tensor.is_floating_point() and tensor.ndim >= 2 else tensor
        for key, tensor in load_file(file).items()
    }
    with atomic_write(file) as path:
        save_file(tensors, path, metadata={"format": "pt"})
