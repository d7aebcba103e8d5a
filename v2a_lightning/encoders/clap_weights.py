"""CLAP weights in LAION's names, alone in a `.pt` or inside an AudioLDM `.ckpt`, put into transformers' names."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from v2a_lightning.checkpoints.weights import load_strictly, without_values
from v2a_lightning.errors import UsageError

if TYPE_CHECKING:
    from transformers import ClapConfig, ClapModel

State = dict[str, Tensor]

# An AudioLDM checkpoint holds all of CLAP under its conditioning stage; LAION saves from DistributedDataParallel.
PREFIXES = ("", "module.", "cond_stage_model.model.", "model.")
ANCHOR = "audio_projection.0.weight"
UNUSED = r"text_transform|audio_transform|stft|logmel_extractor|tscam_conv|head|attn_mask|position_ids"
NAMES = (
    (r"^text_branch\.", "text_model."),
    (r"^audio_branch\.", "audio_model.audio_encoder."),
    (r"\.attn\.proj\.", ".attention.output.dense."),
    (r"\.attn\.", ".attention.self."),
    (r"\.mlp\.fc1\.", ".intermediate.dense."),
    (r"\.mlp\.fc2\.", ".output.dense."),
    (r"\.norm1\.", ".layernorm_before."),
    (r"\.norm2\.", ".layernorm_after."),
    (r"\.bn0\.", ".batch_norm."),
    (r"_projection\.0\.", "_projection.linear1."),
    (r"_projection\.2\.", "_projection.linear2."),
)


def laion_part(state: State, path: Path) -> State:
    """A checkpoint's CLAP tensors in LAION's names, without what stands before them.

    Raises:
        UsageError: when there is no CLAP in it, or one of the fused kind, which AudioLDM was not trained with.
    """
    prefix = next((prefix for prefix in PREFIXES if prefix + ANCHOR in state), None)
    if prefix is None:
        raise UsageError(f"{path} holds no CLAP in LAION's names (no tensor ends in {ANCHOR})")
    state = {name[len(prefix) :]: tensor for name, tensor in state.items() if name.startswith(prefix)}
    if any(name.startswith("audio_branch.") and re.search(r"mel_conv2d|fusion_model", name) for name in state):
        raise UsageError(f"{path} is a fused CLAP; AudioLDM's embeddings come from a CLAP without fusion")
    return state


def to_transformers(state: State) -> State:
    """Rename LAION's tensors as transformers' ClapModel names them, and split query, key and value."""
    renamed: State = {}
    for name, tensor in state.items():
        if re.search(UNUSED, name) or not name.startswith(("text_", "audio_", "logit_scale")):
            continue
        for pattern, replacement in NAMES:
            name = re.sub(pattern, replacement, name)
        if ".qkv." in name:
            parts = zip(("query", "key", "value"), tensor.chunk(3), strict=True)
            renamed |= {name.replace("qkv", part): value.clone() for part, value in parts}
        else:
            renamed[name] = tensor
    return renamed


def config_of(state: State) -> "ClapConfig":
    """The architecture that LAION-named tensors have the shapes of: HTSAT-tiny, HTSAT-base or another of the kind."""
    from transformers import ClapAudioConfig, ClapConfig, ClapTextConfig

    width = state["audio_branch.patch_embed.proj.weight"].shape[0]
    stages = _count(state, r"audio_branch\.layers\.(\d+)\.")
    tables = [f"audio_branch.layers.{i}.blocks.0.attn.relative_position_bias_table" for i in range(stages)]
    words = state["text_branch.embeddings.word_embeddings.weight"]
    audio = ClapAudioConfig(
        depths=[_count(state, rf"audio_branch\.layers\.{i}\.blocks\.(\d+)\.") for i in range(stages)],
        num_attention_heads=[state[table].shape[1] for table in tables],
        patch_embeds_hidden_size=width,
        hidden_size=width * 2 ** (stages - 1),
        num_hidden_layers=stages,
        num_mel_bins=state["audio_branch.bn0.weight"].shape[0],
    )
    text = ClapTextConfig(
        vocab_size=words.shape[0],
        hidden_size=words.shape[1],
        num_hidden_layers=_count(state, r"text_branch\.encoder\.layer\.(\d+)\."),
        num_attention_heads=words.shape[1] // 64,
        intermediate_size=state["text_branch.encoder.layer.0.intermediate.dense.weight"].shape[0],
        max_position_embeddings=state["text_branch.embeddings.position_embeddings.weight"].shape[0],
        layer_norm_eps=1e-5,  # roberta-base's, which LAION builds on; transformers' CLAP has 1e-12
    )
    joint = state["audio_projection.2.weight"].shape[0]
    return ClapConfig(text_config=text.to_dict(), audio_config=audio.to_dict(), projection_dim=joint)


def clap_of_state(checkpoint: State, path: Path) -> "ClapModel":
    """A transformers ClapModel from all tensors of a checkpoint; `path` is where they came from, for messages.

    Raises:
        UsageError: when tensors are left over or missing.
    """
    from transformers import ClapModel

    state = laion_part(checkpoint, path)
    with without_values():
        model = ClapModel(config_of(state))
    return load_strictly(model, to_transformers(state), path)


def _count(state: State, pattern: str) -> int:
    found = (re.match(pattern, name) for name in state)
    return 1 + max(int(match.group(1)) for match in found if match)
