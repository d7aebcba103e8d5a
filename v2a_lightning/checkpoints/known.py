"""The published checkpoints this project knows: where each is from, how to know it is whole, under what licence.

Every address, size, digest and licence here was looked up in public pages; `evidence` names them. What no page of the
publisher states is listed in `unverified`, and `doctor` says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

HUB = "https://huggingface.co"
VIT_B_32 = "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af"
UNET_S = "d30778d539a99dd15d24e922116a0303ba4c81ffb49f392b69d47cb6e1f7aee6"
VAE_S = "e3fc8ccecb1849c8a23cd4f9dd959eb7aaa203cc010386288418dbc551cdaaf7"
TEXT_S = "0292e65e99024f2d21f0a59b718f0e4914546e4287e2dabdd2d7e4a95c169f7b"
VOCODER_S = "f9fbefc2b31c85d1dabe98e53d09ac88039af411162a7e641040a9c2b5f62364"
CLAP = "1cd3c601bc4afe0fa87be3de4c13dd2cfadd249fac1e29acf74a9b296c3219bb"
CLAP_LAION = "8053c9775516af2f4902e1e8281e356cc1bf7a85e8b761908170767b77c3f037"
CNN14_16K = "e2ee543a27919542c2ea03eabaa70b24dcd4e6c8e05621de6b67a94e4c5058e6"
CNN14_32K = "0dc499e40e9761ef5ea061ffc77697697f277f6a960894903df3ada000e34b31"


@dataclass(frozen=True)
class Checkpoint:
    """A published checkpoint.

    Args:
        name: what configs call it.
        kinds: which models are read from it, by `FrozenModel.kind` or the extractors' names.
        source: URL of the file, or `owner/name` or `owner/name@revision` on the Hugging Face Hub.
        megabytes: size of everything that is fetched, roughly.
        licence: as its publisher states it.
        evidence: the public pages that state the source, the size, the digest and the licence.
        digests: size in bytes (None where it is not known) and sha256 of each file of which a page states it.
        unverified: which of megabytes and licence no page of the publisher was seen to state.
    """

    name: str
    kinds: tuple[str, ...]
    source: str
    megabytes: int
    licence: str
    evidence: str
    digests: Mapping[str, tuple[int | None, str]] = field(default_factory=dict)
    unverified: tuple[str, ...] = ()


CHECKPOINTS: dict[str, Checkpoint] = {}
"""Every known checkpoint by its name."""
for _entry in (
    Checkpoint(
        "openai/ViT-B-32",
        ("clip",),
        f"https://openaipublic.azureedge.net/clip/models/{VIT_B_32}/ViT-B-32.pt",
        megabytes=354,
        licence="MIT",
        evidence="address, digest and licence: github.com/openai/CLIP; size: logs of downloads from there",
        digests={"ViT-B-32.pt": (353_976_522, VIT_B_32)},
    ),
    # Holds the CLAP it was trained with, the mapper's targets.
    Checkpoint(
        "audioldm-s-full-v2",
        ("audioldm", "clap"),
        "https://zenodo.org/record/7698295/files/audioldm-full-s-v2.ckpt?download=1",
        megabytes=2560,
        licence="CC-BY-NC-4.0 (not for commercial use)",
        evidence="address: audioldm/utils.py of github.com/haoheliu/AudioLDM; licence: README of github.com/haoheliu/"
        "AudioLDM-training-finetuning, while the code and the Hub's copy say CC-BY-NC-SA-4.0; size: of copies by "
        "others; no digest found",
        unverified=("megabytes",),
    ),
    # The same in diffusers' layout: no CLAP for sound, and head counts that need a correction.
    Checkpoint(
        "cvssp/audioldm-s-full-v2",
        ("audioldm",),
        "cvssp/audioldm-s-full-v2",
        megabytes=1685,
        licence="CC-BY-NC-SA-4.0 (not for commercial use)",
        evidence="all: the Hub's page of it; the digests are of the pickles, while the safetensors that were added "
        "later are held to what the Hub states when they are fetched",
        digests={
            "unet/diffusion_pytorch_model.bin": (740_429_981, UNET_S),
            "vae/diffusion_pytorch_model.bin": (221_586_505, VAE_S),
            "text_encoder/pytorch_model.bin": (501_284_353, TEXT_S),
            "vocoder/pytorch_model.bin": (221_120_349, VOCODER_S),
        },
    ),
    Checkpoint(
        "ucsd-reach/musicldm",
        ("musicldm", "clap"),
        "ucsd-reach/musicldm",
        megabytes=1960,
        licence="CC-BY-NC-SA-4.0 (not for commercial use)",
        evidence="licence: the Hub's page of it; layout: diffusers' conversion script; size: computed from the parts; "
        "no digest found, so files are held to what the Hub states when they are fetched",
        unverified=("megabytes",),
    ),
    # Of the kind AudioLDM has; whether it is the same one, `doctor` finds out.
    Checkpoint(
        "laion/clap-htsat-unfused",
        ("clap",),
        "laion/clap-htsat-unfused@8fa0f1c6d0433df6e97c127f64b2a1d6c0dcda8a",
        megabytes=618,
        licence="Apache-2.0",
        evidence="all: the Hub's page of it at this revision; the digest also in several public records",
        digests={"pytorch_model.bin": (614_525_833, CLAP)},
    ),
    Checkpoint(
        "laion-clap-630k-audioset",
        ("clap",),
        f"{HUB}/lukewys/laion_clap/resolve/main/630k-audioset-best.pt",
        megabytes=1864,
        licence="CC0-1.0",
        evidence="address: README of github.com/LAION-AI/CLAP; licence: the Hub's page of it; size and digest: several "
        "public records",
        digests={"630k-audioset-best.pt": (1_863_587_645, CLAP_LAION)},
    ),
    Checkpoint(
        "cnn14-16k",
        ("cnn14",),
        "https://zenodo.org/records/3987831/files/Cnn14_16k_mAP%3D0.438.pth?download=1",
        megabytes=359,
        licence="CC-BY-4.0",
        evidence="address: README of github.com/qiuqiangkong/audioset_tagging_cnn; licence: the Zenodo record; size "
        "and digest: public records of copies with Zenodo's md5",
        digests={"Cnn14_16k_mAP=0.438.pth": (358_668_570, CNN14_16K)},
    ),
    Checkpoint(
        "cnn14-32k",
        ("cnn14",),
        "https://zenodo.org/records/3987831/files/Cnn14_mAP%3D0.431.pth?download=1",
        megabytes=327,
        licence="CC-BY-4.0",
        evidence="as cnn14-16k",
        digests={"Cnn14_mAP=0.431.pth": (327_428_481, CNN14_32K)},
    ),
    Checkpoint(
        "vggish",
        ("vggish",),
        "https://github.com/harritaylor/torchvggish/releases/download/v0.1/vggish-10086976.pth",
        megabytes=289,
        licence="Apache-2.0",
        evidence="address and licence: hubconf.py and LICENSE of github.com/harritaylor/torchvggish; digest: public "
        "records, and the file's name begins it; size: computed from 72,141,184 parameters",
        digests={"vggish-10086976.pth": (None, "10086976245803799d9194e9a73d9b6c1549c71d1b80106f5cade5608a561f4b")},
        unverified=("megabytes",),
    ),
    Checkpoint(
        "wav2clip",
        ("wav2clip",),
        "https://github.com/descriptinc/lyrebird-wav2clip/releases/download/v0.1.0-alpha/Wav2CLIP.pt",
        megabytes=47,
        licence="MIT",
        evidence="address and licence: wav2clip/__init__.py and LICENSE.md of github.com/descriptinc/"
        "lyrebird-wav2clip; size: computed from 11,695,552 parameters; no digest found",
        unverified=("megabytes",),
    ),
):
    CHECKPOINTS[_entry.name] = _entry


def licence_of(checkpoint: str) -> str:
    """The licence of a checkpoint that a config names, as far as it is known."""
    if checkpoint == "miniature":
        return "Apache-2.0 (this project's own)"
    entry = CHECKPOINTS.get(checkpoint)
    if entry is None:
        return "not known to this project; see its publisher"
    return f"{entry.licence}, not verified" if "licence" in entry.unverified else entry.licence
