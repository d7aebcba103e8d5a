"""A TorchScript archive with chosen tensors, as OpenAI publishes CLIP in one."""

import torch


class Branch(torch.nn.Module):
    """Holds tensors under names, as far as TorchScript asks."""

    def forward(self) -> int:
        return 0


def tree_of(state: dict[str, torch.Tensor]) -> Branch:
    """A module with exactly these named tensors."""
    root = Branch()
    for name, tensor in state.items():
        *folders, leaf = name.split(".")
        node: torch.nn.Module = root
        for folder in folders:
            if folder not in dict(node.named_children()):
                node.add_module(folder, Branch())
            node = node.get_submodule(folder)
        node.register_parameter(leaf, torch.nn.Parameter(tensor, requires_grad=False))
    return root
