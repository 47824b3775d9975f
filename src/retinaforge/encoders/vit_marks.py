"""By which keys the families of vision transformers are told apart, and what a file seems to be."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from retinaforge.core import Refusal
from retinaforge.encoders.checkpoint import Checkpoint

Mark = Callable[[Checkpoint], bool]
PLAIN = {"cls_token", "pos_embed", "patch_embed.proj.weight", "blocks.0.attn.qkv.weight"}
SCALED = ("blocks.0.ls1.gamma", "blocks.0.0.ls1.gamma", "blocks.0.gamma_1")
GREEN_CELLS = 28 * 28  # 392 px in patches of 14


def has(checkpoint: Checkpoint, *keys: str) -> bool:
    """Return whether every key is there."""
    return all(key in checkpoint.weights for key in keys)


def starts(checkpoint: Checkpoint, *prefixes: str) -> bool:
    """Return whether any key starts so."""
    return any(key.startswith(prefixes) for key in checkpoint.weights)


def is_scaled(checkpoint: Checkpoint) -> bool:
    """Return whether its branches are scaled, as those of DINOv2 are."""
    return any(key in checkpoint.weights for key in SCALED)


def is_teacher(checkpoint: Checkpoint) -> bool:
    """Return whether it is the teacher (or student) of a self-distillation such as DINO's."""
    return bool({"teacher", "student"} & set(checkpoint.wrapper.split("."))) or starts(
        checkpoint, "dino_head.", "ibot_head."
    )


def trained_as(checkpoint: Checkpoint) -> str:
    """Return the model that the training's arguments in the file name; "" where there are none."""
    args = checkpoint.said.get("args", {})
    return str(args.get("model", "")) if isinstance(args, Mapping) else ""


def is_tuned_dinov2(checkpoint: Checkpoint) -> bool:
    """Return whether RETFound's code fine-tuned it from its DINOv2."""
    return trained_as(checkpoint) == "RETFound_dinov2" and is_scaled(checkpoint)


def is_dinov2_teacher(checkpoint: Checkpoint) -> bool:
    """Return whether it is a training checkpoint of DINOv2."""
    return is_teacher(checkpoint) and is_scaled(checkpoint) and has(checkpoint, "pos_embed")


def is_hugging_face_dinov2(checkpoint: Checkpoint) -> bool:
    """Return whether it is a `Dinov2Model` (with registers or without) of transformers."""
    positions = "embeddings.position_embeddings"
    prefixes = ("", "dinov2.", "dinov2_with_registers.")
    return any(
        has(checkpoint, prefix + positions, f"{prefix}encoder.layer.0.layer_scale1.lambda1")
        for prefix in prefixes
    )


def is_facebook_dinov2(checkpoint: Checkpoint) -> bool:
    """Return whether it is a backbone in the layout of facebookresearch/dinov2."""
    own = has(checkpoint, "cls_token", "pos_embed", "mask_token") and is_scaled(checkpoint)
    return own and not is_teacher(checkpoint)


def is_green(checkpoint: Checkpoint) -> bool:
    """Return whether it is RETFound-Green: timm's DINOv2 with registers, at 392 px."""
    positions = checkpoint.weights.get("pos_embed")
    cells = 0 if positions is None or positions.ndim != 3 else positions.shape[1]
    return has(checkpoint, "reg_token") and is_scaled(checkpoint) and cells == GREEN_CELLS


def is_preti(checkpoint: Checkpoint) -> bool:
    """Return whether it has PRETI's learnt tokens for age and sex."""
    return has(checkpoint, *PLAIN, "age_embedding", "gender_embedding")


def is_urfound(checkpoint: Checkpoint) -> bool:
    """Return whether it has UrFound's text half."""
    return has(checkpoint, *PLAIN) and starts(checkpoint, "bert_mlp.", "bert_encoder.")


def is_visionfm(checkpoint: Checkpoint) -> bool:
    """Return whether it is the teacher of an iBOT training, as VisionFM publishes it."""
    plain = has(checkpoint, *PLAIN) and not is_scaled(checkpoint)
    return plain and is_teacher(checkpoint) and not starts(checkpoint, "dino_head.", "ibot_head.")


def is_uni4eye(checkpoint: Checkpoint) -> bool:
    """Return whether it projects patches of two and of three dimensions."""
    return has(checkpoint, "patch_embed.proj2.weight", "pos_embed2", "cls_token")


def is_retfound(checkpoint: Checkpoint) -> bool:
    """Return whether it is MAE's layout, with its decoder or fine-tuned as RETFound is."""
    others = (is_preti, is_urfound, is_teacher, is_scaled)
    marked = has(checkpoint, "decoder_embed.weight") or has(checkpoint, "fc_norm.weight")
    marked = marked or trained_as(checkpoint) == "RETFound_mae"
    metadata = "format" in checkpoint.said.get("metadata", {})  # ours
    plain = has(checkpoint, *PLAIN) and marked and not metadata
    return plain and not any(other(checkpoint) for other in others)


SEEMS: tuple[tuple[str, str, Mark], ...] = (
    ("a Hugging Face checkpoint of DINOv2", "dinov2", is_hugging_face_dinov2),
    ("RETFound-Green", "retfound-green", is_green),
    ("PRETI", "preti", is_preti),
    ("UrFound", "urfound", is_urfound),
    ("a teacher checkpoint of iBOT, as VisionFM's", "visionfm", is_visionfm),
    ("Uni4Eye", "uni4eye", is_uni4eye),
    ("a teacher checkpoint of DINOv2, as RETFound-DINOv2's", "retfound-dinov2", is_dinov2_teacher),
    ("a backbone of DINOv2", "dinov2", is_facebook_dinov2),
    ("a masked autoencoder, as RETFound's", "retfound", is_retfound),
)


def require(checkpoint: Checkpoint, family: str, wanted: str, *marks: Mark) -> None:
    """Refuse a file that bears another family's marks and none of this one's.

    Args:
        checkpoint: the file.
        family: this family's name.
        wanted: what was expected, in words.
        marks: of which one is enough; a file that bears nobody's marks passes, to be judged by its
            keys.

    Raises:
        Refusal: "expected RETFound's ...; got FILE, which seems to be a teacher checkpoint of
            DINOv2".
    """
    if any(mark(checkpoint) for mark in marks):
        return
    for words, other, mark in SEEMS:
        if other != family and mark(checkpoint):
            raise Refusal(
                wanted,
                f"{checkpoint.path}, which seems to be {words}",
                f"name it {other}:{checkpoint.path.name}",
            )
