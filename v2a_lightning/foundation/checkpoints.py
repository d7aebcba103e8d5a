"""The published checkpoints this project knows: where each is from, how to know it is whole, under what licence."""

from dataclasses import dataclass

ZENODO_PANNS = "https://zenodo.org/records/3987831/files/"
ZENODO_AUDIOLDM = "https://zenodo.org/records/7698295/files/"
OPENAI = "https://openaipublic.azureedge.net/clip/models/"
VIT_B_32 = "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af"


@dataclass(frozen=True)
class Checkpoint:
    """A published checkpoint.

    Args:
        name: what configs call it.
        kinds: which models are read from it: clip, clap, audioldm, cnn14, vggish, wav2clip.
        source: URL of the file, or `owner/name` on the Hugging Face Hub.
        file: name of the file, or of the largest one of a Hub folder.
        megabytes: size, roughly.
        licence: as its publisher states it.
        purpose: what it is for here.
        size: exact size of the file in bytes, where it is known.
        sha256: of the file, or as many of its first digits as are known; empty when no source states it.
    """

    name: str
    kinds: tuple[str, ...]
    source: str
    file: str
    megabytes: int
    licence: str
    purpose: str
    size: int | None = None
    sha256: str = ""

    @property
    def is_url(self) -> bool:
        """Whether `source` is a single file's URL."""
        return self.source.startswith(("http://", "https://"))


CHECKPOINTS: dict[str, Checkpoint] = {
    entry.name: entry
    for entry in (
        Checkpoint(
            name="openai/ViT-B-32",
            kinds=("clip",),
            source=f"{OPENAI}{VIT_B_32}/ViT-B-32.pt",
            file="ViT-B-32.pt",
            megabytes=354,
            licence="MIT",
            purpose="frame embeddings, and the CLIP side of the CLIP-score",
            sha256=VIT_B_32,
        ),
        Checkpoint(
            name="audioldm-s-full-v2",
            kinds=("audioldm", "clap"),
            source=f"{ZENODO_AUDIOLDM}audioldm-full-s-v2.ckpt?download=1",
            file="audioldm-full-s-v2.ckpt",
            megabytes=2300,
            licence="CC-BY-NC-4.0 (not for commercial use)",
            purpose="sound from CLAP embeddings; holds the CLAP it was trained with, the mapper's targets",
        ),
        Checkpoint(
            name="cvssp/audioldm-s-full-v2",
            kinds=("audioldm",),
            source="cvssp/audioldm-s-full-v2",
            file="unet/diffusion_pytorch_model.bin",
            megabytes=1685,
            licence="CC-BY-NC-4.0 (not for commercial use)",
            purpose="the same AudioLDM as diffusers' folder: no CLAP for sound, and head counts that need a correction",
            size=740_429_981,
            sha256="d30778d539a99dd15d24e922116a0303ba4c81ffb49f392b69d47cb6e1f7aee6",
        ),
        Checkpoint(
            name="laion/clap-htsat-unfused",
            kinds=("clap",),
            source="laion/clap-htsat-unfused",
            file="pytorch_model.bin",
            megabytes=615,
            licence="Apache-2.0",
            purpose="a CLAP of the kind AudioLDM has; whether it is the same one, `doctor` finds out",
            size=614_525_833,
            sha256="1cd3c601bc4afe0fa87be3de4c13dd2cfadd249fac1e29acf74a9b296c3219bb",
        ),
        Checkpoint(
            name="laion-clap-630k-audioset",
            kinds=("clap",),
            source="https://huggingface.co/lukewys/laion_clap/resolve/main/630k-audioset-best.pt",
            file="630k-audioset-best.pt",
            megabytes=1860,
            licence="CC0-1.0",
            purpose="LAION's own file of the CLAP above",
        ),
        Checkpoint(
            name="cnn14-16k",
            kinds=("cnn14",),
            source=f"{ZENODO_PANNS}Cnn14_16k_mAP%3D0.438.pth?download=1",
            file="Cnn14_16k_mAP=0.438.pth",
            megabytes=327,
            licence="CC-BY-4.0",
            purpose="FD, KAD, KL and IS of 16 kHz sound",
            sha256="e2ee543a27919542c2ea03eabaa70b24dcd4e6c8e05621de6b67a94e4c5058e6",
        ),
        Checkpoint(
            name="cnn14-32k",
            kinds=("cnn14",),
            source=f"{ZENODO_PANNS}Cnn14_mAP%3D0.431.pth?download=1",
            file="Cnn14_mAP=0.431.pth",
            megabytes=327,
            licence="CC-BY-4.0",
            purpose="FD, KAD, KL and IS of 32 kHz sound",
            size=327_428_481,
            sha256="0dc499e40e9761ef5ea061ffc77697697f277f6a960894903df3ada000e34b31",
        ),
        Checkpoint(
            name="vggish",
            kinds=("vggish",),
            source="https://github.com/harritaylor/torchvggish/releases/download/v0.1/vggish-10086976.pth",
            file="vggish-10086976.pth",
            megabytes=288,
            licence="Apache-2.0",
            purpose="FAD",
            sha256="10086976",
        ),
        Checkpoint(
            name="wav2clip",
            kinds=("wav2clip",),
            source="https://github.com/descriptinc/lyrebird-wav2clip/releases/download/v0.1.0-alpha/Wav2CLIP.pt",
            file="Wav2CLIP.pt",
            megabytes=47,
            licence="MIT",
            purpose="the sound side of the CLIP-score",
        ),
    )
}
"""Every known checkpoint by its name."""


def licence_of(checkpoint: str) -> str:
    """The licence of a checkpoint that a config names, as far as it is known."""
    if checkpoint == "miniature":
        return "Apache-2.0 (this project's own)"
    entry = CHECKPOINTS.get(checkpoint)
    return entry.licence if entry else "not known to this project; see its publisher"
