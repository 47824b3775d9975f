"""open_clip's image tower around a vision transformer of timm's: its class token, projected.

Layout as in mlfoundations/open_clip (src/open_clip/timm_model.py at 89fb801), which BiomedCLIP's
published file has.
"""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from retinaforge.nets.tokens import TokenNetwork, TokenOutput
from retinaforge.nets.vit import VisionTransformer, VitShape


class TrunkTower(TokenNetwork):
    """A vision transformer and a linear map into the space shared with text."""

    def __init__(self, shape: VitShape, projected: int) -> None:
        super().__init__()
        self.trunk = VisionTransformer(shape)
        self.head = nn.ModuleDict({"proj": nn.Linear(shape.width, projected, bias=False)})
        self.depth, self.patch_px = shape.depth, shape.patch_px
        self.pools_patches = self.trunk.pools_patches

    def forward(
        self,
        images: Float[Tensor, "batch 3 height width"],
        blocks: Sequence[int] = (),
        **further: Tensor,
    ) -> TokenOutput:
        """Return patch tokens after the blocks counted from 1, class token and the projection."""
        found = self.trunk(images, blocks, **further)
        return found._replace(embedding=self.head["proj"](found.embedding))
