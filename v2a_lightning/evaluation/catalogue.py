"""The metrics by name: what each computes, from which ear, and which way is better."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Entry:
    """One metric.

    Args:
        title: as a table heads it.
        ear: which extractor it needs, by its part in the evaluation.
        better: which way is better.
        formula: what is computed, in words that name the choice among its variants.
        floor: a value it cannot fall below, if there is one.
    """

    title: str
    ear: Literal["tagger", "vggish", "wav2clip", "clap", "passt", "imagebind", "desync"]
    better: Literal["lower", "higher"]
    formula: str
    floor: float | None = None


CATALOGUE: dict[str, Entry] = {
    "fd": Entry("FD", "tagger", "lower", "Frechet distance of one embedding per clip (after fc1 and ReLU)", 0.0),
    "fad": Entry("FAD", "vggish", "lower", "Frechet distance of one embedding per 0.96 s (no PCA, no last ReLU)", 0.0),
    "fad_infinity": Entry("FAD inf", "vggish", "lower", "FAD of paired parts of the set, extended to 1 / N = 0"),
    "kad": Entry(
        "KAD",
        "tagger",
        "lower",
        "100 x unbiased squared MMD of paired sets, Gaussian kernel, bandwidth the reference's median distance",
    ),
    "kl": Entry("KL", "tagger", "lower", "mean KL(softmax(reference) || softmax(generated)) of pairs, in nats", 0.0),
    "kl_sigmoid": Entry("KL sigmoid", "tagger", "lower", "mean sum of p log(p / q) over the tags' sigmoids, pairs"),
    "is": Entry("IS", "tagger", "higher", "exp of the mean KL of tags to mean tags, softmax, all clips at once", 1.0),
    "is_splits": Entry("IS/10", "tagger", "higher", "the mean of the inception score over 10 shuffled parts", 1.0),
    "cs": Entry("CS", "wav2clip", "higher", "100 x cosine of Wav2CLIP and CLIP: mean over frames, then over clips"),
    "cs_mean_frame": Entry(
        "CS mean frame", "wav2clip", "higher", "100 x cosine of Wav2CLIP and the mean of a clip's normalised frames"
    ),
    "clap_audio": Entry("CLAP audio", "clap", "higher", "100 x cosine of generated and reference sound, mean of pairs"),
    "clap_text": Entry("CLAP text", "clap", "higher", "100 x cosine of generated sound and the clip's text, mean"),
    "precision": Entry("Precision", "tagger", "higher", "share of generated clips inside a reference's 5-NN ball"),
    "recall": Entry("Recall", "tagger", "higher", "share of reference clips inside a generated one's 5-NN ball"),
    "density": Entry("Density", "tagger", "higher", "mean number of references' 5-NN balls round a generated clip / 5"),
    "coverage": Entry("Coverage", "tagger", "higher", "share of references whose 5-NN ball holds a generated clip"),
    "fd_passt": Entry("FD PaSST", "passt", "lower", "Frechet distance of one embedding (768) per clip", 0.0),
    "kl_passt": Entry("KL PaSST", "passt", "lower", "as KL, on PaSST's logits", 0.0),
    "is_passt": Entry("IS PaSST", "passt", "higher", "as IS, on PaSST's logits", 1.0),
    "imagebind": Entry("ImageBind", "imagebind", "higher", "100 x cosine of sound and film, mean over clips"),
    "desync": Entry("DeSync", "desync", "lower", "mean absolute offset in seconds that Synchformer predicts", 0.0),
}
