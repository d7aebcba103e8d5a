"""The published checkpoints this project knows: where each is from, how to know it is whole, under what licence.

Every address, size, digest and licence here was looked up in public pages; `evidence` names them. What no page of the
publisher states is listed in `unverified`, and `doctor` says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

ZENODO_PANNS = "https://zenodo.org/records/3987831/files/"
ZENODO_AUDIOLDM = "https://zenodo.org/record/7698295/files/"
OPENAI = "https://openaipublic.azureedge.net/clip/models/"
HUB = "https://huggingface.co"
VIT_B_32 = "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af"
CLAP_REVISION = "8fa0f1c6d0433df6e97c127f64b2a1d6c0dcda8a"


@dataclass(frozen=True)
class Checkpoint:
    """A published checkpoint.

    Args:
        name: what configs call it.
        kinds: which models are read from it: clip, clap, audioldm, cnn14, vggish, wav2clip.
        source: URL of the file, or `owner/name` or `owner/name@revision` on the Hugging Face Hub.
        file: name of the file, or of the largest one of a Hub folder.
        megabytes: size of everything that is fetched, roughly.
        licence: as its publisher states it.
        purpose: what it is for here.
        evidence: the public pages that state the source, the size, the digest and the licence.
        size: exact size of the file in bytes, where it is known.
        sha256: of the file; empty when no page states it.
        others: sizes and digests of a Hub folder's other weights.
        unverified: which of megabytes and licence no page of the publisher was seen to state.
    """

    name: str
    kinds: tuple[str, ...]
    source: str
    file: str
    megabytes: int
    licence: str
    purpose: str
    evidence: str
    size: int | None = None
    sha256: str = ""
    others: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    unverified: tuple[str, ...] = ()

    @property
    def is_url(self) -> bool:
        """Whether `source` is a single file's URL."""
        return self.source.startswith(("http://", "https://"))

    @property
    def repository(self) -> str:
        """The Hub folder's `owner/name`."""
        return self.source.partition("@")[0]

    @property
    def revision(self) -> str | None:
        """The Hub folder's commit, where one is fixed."""
        return self.source.partition("@")[2] or None

    @property
    def digests(self) -> dict[str, tuple[int | None, str]]:
        """Size and sha256 of every file of which a digest is known."""
        own: dict[str, tuple[int | None, str]] = {self.file: (self.size, self.sha256)} if self.sha256 else {}
        return {**own, **self.others}


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
            evidence="address, digest and licence: github.com/openai/CLIP; size: logs of downloads from there",
            size=353_976_522,
            sha256=VIT_B_32,
        ),
        Checkpoint(
            name="audioldm-s-full-v2",
            kinds=("audioldm", "clap"),
            source=f"{ZENODO_AUDIOLDM}audioldm-full-s-v2.ckpt?download=1",
            file="audioldm-full-s-v2.ckpt",
            megabytes=2560,
            licence="CC-BY-NC-4.0 (not for commercial use)",
            purpose="sound from CLAP embeddings; holds the CLAP it was trained with, the mapper's targets",
            evidence="address: audioldm/utils.py of github.com/haoheliu/AudioLDM; licence: README of "
            "github.com/haoheliu/AudioLDM-training-finetuning, while the code and the Hub's copy say CC-BY-NC-SA-4.0; "
            "size: of copies by others; no digest found",
            unverified=("megabytes",),
        ),
        Checkpoint(
            name="cvssp/audioldm-s-full-v2",
            kinds=("audioldm",),
            source="cvssp/audioldm-s-full-v2",
            file="unet/diffusion_pytorch_model.bin",
            megabytes=1685,
            licence="CC-BY-NC-SA-4.0 (not for commercial use)",
            purpose="the same AudioLDM as diffusers' folder: no CLAP for sound, and head counts that need a correction",
            evidence="all: the Hub's page of it; the digests are of the pickles, while the safetensors that were added "
            "later are held to what the Hub states when they are fetched",
            size=740_429_981,
            sha256="d30778d539a99dd15d24e922116a0303ba4c81ffb49f392b69d47cb6e1f7aee6",
            others={
                "vae/diffusion_pytorch_model.bin": (
                    221_586_505,
                    "e3fc8ccecb1849c8a23cd4f9dd959eb7aaa203cc010386288418dbc551cdaaf7",
                ),
                "text_encoder/pytorch_model.bin": (
                    501_284_353,
                    "0292e65e99024f2d21f0a59b718f0e4914546e4287e2dabdd2d7e4a95c169f7b",
                ),
                "vocoder/pytorch_model.bin": (
                    221_120_349,
                    "f9fbefc2b31c85d1dabe98e53d09ac88039af411162a7e641040a9c2b5f62364",
                ),
            },
        ),
        Checkpoint(
            name="laion/clap-htsat-unfused",
            kinds=("clap",),
            source=f"laion/clap-htsat-unfused@{CLAP_REVISION}",
            file="pytorch_model.bin",
            megabytes=618,
            licence="Apache-2.0",
            purpose="a CLAP of the kind AudioLDM has; whether it is the same one, `doctor` finds out",
            evidence="all: the Hub's page of it at this revision; the digest also in several public records",
            size=614_525_833,
            sha256="1cd3c601bc4afe0fa87be3de4c13dd2cfadd249fac1e29acf74a9b296c3219bb",
        ),
        Checkpoint(
            name="laion-clap-630k-audioset",
            kinds=("clap",),
            source=f"{HUB}/lukewys/laion_clap/resolve/main/630k-audioset-best.pt",
            file="630k-audioset-best.pt",
            megabytes=1864,
            licence="CC0-1.0",
            purpose="LAION's own file of the CLAP above",
            evidence="address: README of github.com/LAION-AI/CLAP; licence: the Hub's page of it; size and digest: "
            "several public records",
            size=1_863_587_645,
            sha256="8053c9775516af2f4902e1e8281e356cc1bf7a85e8b761908170767b77c3f037",
        ),
        Checkpoint(
            name="cnn14-16k",
            kinds=("cnn14",),
            source=f"{ZENODO_PANNS}Cnn14_16k_mAP%3D0.438.pth?download=1",
            file="Cnn14_16k_mAP=0.438.pth",
            megabytes=359,
            licence="CC-BY-4.0",
            purpose="FD, KAD, KL and IS of 16 kHz sound",
            evidence="address: README of github.com/qiuqiangkong/audioset_tagging_cnn; licence: the Zenodo record; "
            "size and digest: public records of copies with Zenodo's md5",
            size=358_668_570,
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
            evidence="address: README of github.com/qiuqiangkong/audioset_tagging_cnn; licence: the Zenodo record; "
            "size and digest: public records",
            size=327_428_481,
            sha256="0dc499e40e9761ef5ea061ffc77697697f277f6a960894903df3ada000e34b31",
        ),
        Checkpoint(
            name="vggish",
            kinds=("vggish",),
            source="https://github.com/harritaylor/torchvggish/releases/download/v0.1/vggish-10086976.pth",
            file="vggish-10086976.pth",
            megabytes=289,
            licence="Apache-2.0",
            purpose="FAD",
            evidence="address and licence: hubconf.py and LICENSE of github.com/harritaylor/torchvggish; digest: "
            "public records, and the file's name begins it; size: computed from 72,141,184 parameters",
            sha256="10086976245803799d9194e9a73d9b6c1549c71d1b80106f5cade5608a561f4b",
            unverified=("megabytes",),
        ),
        Checkpoint(
            name="wav2clip",
            kinds=("wav2clip",),
            source="https://github.com/descriptinc/lyrebird-wav2clip/releases/download/v0.1.0-alpha/Wav2CLIP.pt",
            file="Wav2CLIP.pt",
            megabytes=47,
            licence="MIT",
            purpose="the sound side of the CLIP-score",
            evidence="address and licence: wav2clip/__init__.py and LICENSE.md of "
            "github.com/descriptinc/lyrebird-wav2clip; size: computed from 11,695,552 parameters; no digest found",
            unverified=("megabytes",),
        ),
    )
}
"""Every known checkpoint by its name."""


def licence_of(checkpoint: str) -> str:
    """The licence of a checkpoint that a config names, as far as it is known."""
    if checkpoint == "miniature":
        return "Apache-2.0 (this project's own)"
    entry = CHECKPOINTS.get(checkpoint)
    if entry is None:
        return "not known to this project; see its publisher"
    return f"{entry.licence}, not verified" if "licence" in entry.unverified else entry.licence
