"""What defines an autoencoder of ours, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from math import prod
from typing import Any, Literal, get_args

from retinaforge.core import Refusal

Kind = Literal["vq", "fsq", "kl"]
Factor = Literal[4, 8, 16]

LEAN_WIDTHS: dict[int, tuple[int, ...]] = {
    4: (32, 64),
    8: (32, 64, 96),
    16: (32, 64, 96, 128),
}
# Widths at 1/2, 1/4, ... of Esser et al. 2021 (base 128, multipliers 1 1 2 2 4).
PAPER_WIDTHS: dict[int, tuple[int, ...]] = {
    4: (128, 256),
    8: (128, 256, 256),
    16: (128, 256, 256, 512),
}


@dataclass(frozen=True, kw_only=True)
class AutoencoderConfig:
    """Shape of an autoencoder.

    Attributes:
        kind: vector quantisation, finite scalar quantisation or a diagonal Gaussian.
        factor: side of the image over side of the latent.
        widths: channels at 1/2, 1/4, ... of the image's side; the lean ones where empty.
        codes: size of the VQ codebook.
        code_dim: channels of the latent (VQ and KL; FSQ has one for each level).
        fsq_levels: values of each FSQ channel; their product is the number of codes.
        blocks: residual blocks at each resolution.
        attention: self-attention at the coarsest grid.
        norm: normalise inside the residual blocks; deep and wide ones need it.
        decay: of the moving averages of the VQ codebook, 0 to 1.
        commitment: weight of the VQ commitment term.
        kl_weight: weight of the KL term against a summed L1 (Rombach et al. 2022: 1e-6).
        seed: seeds the codebook's start and revival.
    """

    kind: Kind = "vq"
    factor: Factor = 4
    widths: tuple[int, ...] = ()
    codes: int = 1024
    code_dim: int = 8
    fsq_levels: tuple[int, ...] = (8, 5, 5, 5)
    blocks: int = 1
    attention: bool = False
    norm: bool = False
    decay: float = 0.9
    commitment: float = 0.25
    kl_weight: float = 1e-6
    seed: int = 0

    def __post_init__(self) -> None:
        _refuse_unknown("kind", self.kind, get_args(Kind))
        _refuse_unknown("factor", self.factor, get_args(Factor))
        if not self.widths:
            object.__setattr__(self, "widths", LEAN_WIDTHS[self.factor])
        if 2 ** len(self.widths) != self.factor:
            raise Refusal(
                f"{self.factor.bit_length() - 1} widths for factor {self.factor}",
                f"{len(self.widths)} ({self.widths})",
                "give one width for each halving, finest first",
            )

    @property
    def latent_channels(self) -> int:
        """Return the channels that the decoder sees."""
        return len(self.fsq_levels) if self.kind == "fsq" else self.code_dim

    @property
    def codebook_size(self) -> int | None:
        """Return the number of codes; None for KL."""
        sizes = {"vq": self.codes, "fsq": prod(self.fsq_levels), "kl": None}
        return sizes[self.kind]

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}


def paper_config(factor: Factor, kind: Kind = "vq") -> AutoencoderConfig:
    """Return the widths, depth, norms and attention of Esser et al. 2021, for a GPU."""
    return AutoencoderConfig(
        kind=kind,
        factor=factor,
        widths=PAPER_WIDTHS[factor],
        blocks=2,
        attention=True,
        norm=True,
        decay=0.99,
    )


def config_from_dict(plain: Mapping[str, Any]) -> AutoencoderConfig:
    """Return the config that `as_dict` wrote; further keys are left alone."""
    names = {field.name for field in fields(AutoencoderConfig)}
    known = {k: tuple(v) if isinstance(v, list) else v for k, v in plain.items() if k in names}
    return AutoencoderConfig(**known)


def _refuse_unknown(name: str, came: object, known: tuple[object, ...]) -> None:
    if came not in known:
        listed = ", ".join(map(str, known))
        raise Refusal(f"{name} to be one of {listed}", repr(came), "choose one of them")
