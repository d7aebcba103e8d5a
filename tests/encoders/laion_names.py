"""transformers' CLAP tensors in LAION's names: the way back from `clap_weights.to_transformers`."""

import re
from collections import OrderedDict

import torch
from torch import Tensor
from transformers import ClapModel

BACK = (
    (r"^text_model\.", "text_branch."),
    (r"^audio_model\.audio_encoder\.", "audio_branch."),
    (r"(blocks\.\d+)\.attention\.output\.dense\.", r"\1.attn.proj."),
    (r"(blocks\.\d+)\.attention\.self\.", r"\1.attn."),
    (r"(blocks\.\d+)\.intermediate\.dense\.", r"\1.mlp.fc1."),
    (r"(blocks\.\d+)\.output\.dense\.", r"\1.mlp.fc2."),
    (r"\.layernorm_before\.", ".norm1."),
    (r"\.layernorm_after\.", ".norm2."),
    (r"\.batch_norm\.", ".bn0."),
    (r"_projection\.linear1\.", "_projection.0."),
    (r"_projection\.linear2\.", "_projection.2."),
)


def laion_state(model: ClapModel, prefix: str = "module.") -> "OrderedDict[str, Tensor]":
    """All tensors, query, key and value joined, with some that only LAION's training code knows."""
    state: OrderedDict[str, Tensor] = OrderedDict()
    for name, tensor in model.state_dict().items():
        for pattern, replacement in BACK:
            name = re.sub(pattern, replacement, name)
        if match := re.match(r"(.*blocks.*\.attn\.)(query|key|value)(\..*)", name):
            joined = prefix + match.group(1) + "qkv" + match.group(3)
            state[joined] = torch.cat([state[joined], tensor]) if joined in state else tensor
        else:
            state[prefix + name] = tensor
    state[prefix + "audio_transform.sequential.0.weight"] = torch.zeros(2, 2)
    state[prefix + "audio_branch.logmel_extractor.melW"] = torch.zeros(2, 2)
    return state
