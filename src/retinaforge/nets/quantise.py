"""Bottlenecks of an autoencoder: nearest code (VQ), rounded scalars (FSQ), a Gaussian (KL).

VQ:   q(z) = e_k,  k = argmin_j |z - e_j|^2,  loss = beta |z - sg(e_k)|^2          (Oord eq. 3)
EMA:  N_j <- g N_j + (1 - g) n_j,  m_j <- g m_j + (1 - g) sum z,  e_j = m_j / N_j  (Oord eq. 6-8)
FSQ:  q(z)_i = round(bound_i(z_i))                                              (Mentzer eq. 1-2)
KL:   z = mu + sigma eps,  KL = 1/2 sum(mu^2 + sigma^2 - 1 - log sigma^2)

References:
    Oord, Vinyals, Kavukcuoglu 2017, arXiv 1711.00937, section 3 and appendix A.1.
    Razavi, Oord, Vinyals 2019, arXiv 1906.00446.
    Mentzer, Minnen, Agustsson, Tschannen 2023, arXiv 2309.15505.
    Rombach et al. 2022, arXiv 2112.10752, appendix G.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.distributed as dist
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

_ROWS_AT_ONCE = 2048
# Latents of our encoder run into the flat ends of tanh at the rates that suit the rest: after 15
# CPU-seconds a gain of 1/4 gave 27.1 dB and 107 effective codes, 1 gave 25.8 and 30, 4 gave 20.3.
_FSQ_GAIN = 0.25


@dataclass(frozen=True)
class Quantised:
    """What a bottleneck made of a latent.

    Attributes:
        latent: what the decoder sees, shape (batch, channels, height, width), float32.
        loss: the bottleneck's own loss, weights included; a scalar.
        codes: index of the code at each place, shape (batch, height, width); None for KL.
    """

    latent: Float[Tensor, "batch channels height width"]
    loss: Float[Tensor, ""]
    codes: Int[Tensor, "batch height width"] | None


@dataclass(frozen=True)
class CodebookUse:
    """How much of a codebook was used since the last reset.

    Attributes:
        codes: size of the codebook.
        used: how many codes were chosen at least once.
        perplexity: exp of the entropy of the choices, 1 to `codes`; NaN before the first choice.
    """

    codes: int
    used: int
    perplexity: float

    @property
    def fraction(self) -> float:
        """Return the used part of the codebook, 0 to 1."""
        return self.used / self.codes


def nearest_codes(
    points: Float[Tensor, "n dim"], codebook: Float[Tensor, "codes dim"]
) -> Int[Tensor, "n"]:
    """Return the index of the nearest code to each point: argmax_j z.e_j - |e_j|^2 / 2.

    Computed in float32 whatever autocast says, some rows at a time so that the distances stay in
    the processor's cache.
    """
    with torch.autocast(points.device.type, enabled=False), torch.no_grad():
        half_norms = codebook.float().square().sum(1) / -2
        codes_t = codebook.float().t()
        rows = points.detach().float().split(_ROWS_AT_ONCE)
        return torch.cat([torch.addmm(half_norms, part, codes_t).argmax(1) for part in rows])


def cluster_statistics(
    points: Float[Tensor, "n dim"], codes: Int[Tensor, "n"], size: int
) -> tuple[Float[Tensor, "size"], Float[Tensor, "size dim"]]:
    """Return how many points chose each code and their sum, over all processes."""
    counts = torch.bincount(codes, minlength=size).to(points.dtype)
    sums = points.new_zeros(size, points.shape[1]).index_add_(0, codes, points)
    if dist.is_available() and dist.is_initialized():
        dist.all_reduce(counts)
        dist.all_reduce(sums)
    return counts, sums


def pick_rows(
    points: Float[Tensor, "n dim"], count: int, *, rng: torch.Generator
) -> Float[Tensor, "count dim"]:
    """Draw rows of the first process's points, without repeats while they last."""
    repeats = -(-count // len(points))
    order = torch.cat([torch.randperm(len(points), generator=rng) for _ in range(repeats)])
    rows = points[order[:count].to(points.device)].clone()
    if dist.is_available() and dist.is_initialized():
        dist.broadcast(rows, src=0)
    return rows


def k_means(
    points: Float[Tensor, "n dim"], size: int, *, rounds: int, rng: torch.Generator
) -> Float[Tensor, "size dim"]:
    """Return the centres of Lloyd's algorithm, started from drawn points.

    A centre that loses all its points stays where it was.
    """
    centres = pick_rows(points, size, rng=rng)
    for _ in range(rounds):
        counts, sums = cluster_statistics(points, nearest_codes(points, centres), size)
        means = sums / counts.clamp(min=1)[:, None]
        centres = torch.where(counts[:, None] > 0, means, centres)
    return centres


class UseTracker(nn.Module):
    """Count how often each code was chosen since the last reset."""

    histogram: Tensor

    def __init__(self, codes: int) -> None:
        super().__init__()
        self.register_buffer("histogram", torch.zeros(codes, dtype=torch.int64))

    def forward(self, codes: Int[Tensor, "..."]) -> None:
        """Add the choices of one batch."""
        self.histogram += torch.bincount(codes.reshape(-1), minlength=len(self.histogram))

    def read(self, *, reset: bool) -> CodebookUse:
        """Return the use since the last reset, over all processes, and maybe reset."""
        total = self.histogram.clone()
        if dist.is_available() and dist.is_initialized():
            dist.all_reduce(total)
        if reset:
            self.histogram.zero_()
        p = total.double() / total.sum()
        perplexity = float(torch.special.entr(p).sum().exp())
        return CodebookUse(len(total), int((total > 0).sum()), perplexity)


class VectorQuantiser(nn.Module):
    """Replace each latent vector by its nearest code; the codes follow their vectors' mean.

    The codebook starts by k-means on the first training batch. Every `revive_every` training
    steps, codes chosen less than `revive_below` times their fair share are moved onto vectors of
    the current batch. Every draw is seeded by (seed, step), so a resumed run repeats it.

    Args:
        codes: size of the codebook.
        dim: channels of the latent.
        decay: g of the moving averages, 0 to 1, reached by (1 + step) / (10 + step).
        commitment: beta.
        seed: seeds the k-means start and the revival.

    Set `frozen` to keep the codebook as it is in training mode too.
    """

    codebook: Tensor
    counts: Tensor
    sums: Tensor
    step: Tensor

    def __init__(
        self, codes: int, dim: int, *, decay: float = 0.9, commitment: float = 0.25, seed: int = 0
    ) -> None:
        super().__init__()
        self.decay, self.commitment, self.seed = decay, commitment, seed
        self.revive_every, self.revive_below = 10, 0.05
        self.frozen = False
        start = torch.randn(codes, dim, generator=torch.Generator().manual_seed(seed))
        self.register_buffer("codebook", start)
        self.register_buffer("counts", torch.ones(codes))
        self.register_buffer("sums", start.clone())
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))
        self.use = UseTracker(codes)

    def forward(
        self, latent: Float[Tensor, "batch channels height width"], *, rng: object = None
    ) -> Quantised:
        """Quantise; in training mode also count, follow and revive (`rng` is not used)."""
        with torch.autocast(latent.device.type, enabled=False):
            z = latent.float()
            points = z.permute(0, 2, 3, 1).reshape(-1, z.shape[1])
            if self.training and not self.frozen and self.step == 0:
                self._start(points.detach())
            codes = nearest_codes(points, self.codebook)
            shape = (z.shape[0], z.shape[2], z.shape[3])
            q = self.look_up(codes.view(shape))
            loss = self.commitment * F.mse_loss(z, q)
            if self.training:
                self.use(codes)
            if self.training and not self.frozen:
                self._follow(points.detach(), codes)
            return Quantised(z + (q - z).detach(), loss, codes.view(shape))

    def look_up(
        self, codes: Int[Tensor, "batch height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        """Return the vectors of the codes."""
        return F.embedding(codes, self.codebook).permute(0, 3, 1, 2)

    def _rng(self) -> torch.Generator:
        return torch.Generator().manual_seed(self.seed * 1_000_003 + int(self.step))

    def _start(self, points: Tensor) -> None:
        self.codebook.copy_(k_means(points, len(self.codebook), rounds=10, rng=self._rng()))
        counts, _ = cluster_statistics(
            points, nearest_codes(points, self.codebook), len(self.codebook)
        )
        self.counts.copy_(counts.clamp(min=1))
        self.sums.copy_(self.codebook * self.counts[:, None])

    def _follow(self, points: Tensor, codes: Tensor) -> None:
        n, sums = cluster_statistics(points, codes, len(self.codebook))
        # Early on the encoder moves fast and the averages must be short to keep up.
        g = min(self.decay, (1 + int(self.step)) / (10 + int(self.step)))
        self.counts.lerp_(n, 1 - g)
        self.sums.lerp_(sums, 1 - g)
        self.step += 1
        if self.revive_every and int(self.step) % self.revive_every == 0:
            self._revive(points)
        self.codebook.copy_(self.sums / self.counts.clamp(min=1e-5)[:, None])

    def _revive(self, points: Tensor) -> None:
        fair_share = self.counts.mean()
        dead = self.counts < self.revive_below * fair_share
        if int(dead.sum()) == 0:
            return
        rows = pick_rows(points, int(dead.sum()), rng=self._rng())
        # A tenth of the fair share keeps a revived code alive for some hundred steps only.
        self.counts[dead] = 0.1 * fair_share
        self.sums[dead] = 0.1 * fair_share * rows


class FiniteScalarQuantiser(nn.Module):
    """Round each bounded channel to one of `levels` values, scaled to [-1, 1].

    Args:
        levels: number of values of each channel, e.g. (8, 5, 5, 5) for 1000 codes.
    """

    def __init__(self, levels: tuple[int, ...]) -> None:
        super().__init__()
        self.levels = levels
        size = torch.tensor(levels)
        bases = torch.cat([torch.ones(1, dtype=torch.int64), size[:-1].cumprod(0)])
        self.register_buffer("_levels", size, persistent=False)
        self.register_buffer("_bases", bases, persistent=False)
        self.use = UseTracker(int(size.prod()))

    def forward(
        self, latent: Float[Tensor, "batch channels height width"], *, rng: object = None
    ) -> Quantised:
        """Bound and round, the gradient passing straight through (`rng` is not used)."""
        with torch.autocast(latent.device.type, enabled=False):
            bounded = self._bound(_FSQ_GAIN * latent.float())
            whole = bounded + (bounded.round() - bounded).detach()
            codes = self._codes(whole.detach())
            if self.training:
                self.use(codes)
            return Quantised(whole / self._half(), latent.new_zeros(()).float(), codes)

    def look_up(
        self, codes: Int[Tensor, "batch height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        """Return the vectors of the codes."""
        levels, bases = self._columns()
        return ((codes[:, None] // bases) % levels - self._half()) / self._half()

    def _columns(self) -> tuple[Tensor, Tensor]:
        return self.get_buffer("_levels").view(1, -1, 1, 1), self.get_buffer("_bases").view(
            1, -1, 1, 1
        )

    def _half(self) -> Tensor:
        return self._columns()[0] // 2

    def _bound(self, z: Tensor) -> Tensor:
        # An even number of levels has no middle one: shift by a half so that 0 maps to 0.
        levels, _ = self._columns()
        half = (levels - 1) * (1 + 1e-3) / 2
        offset = torch.where(levels % 2 == 0, 0.5, 0.0)
        return (z + (offset / half).atanh()).tanh() * half - offset

    def _codes(self, whole: Tensor) -> Tensor:
        _, bases = self._columns()
        return ((whole.round().long() + self._half()) * bases).sum(1)


class DiagonalGaussian(nn.Module):
    """Draw the latent from N(mu, sigma^2); the encoder gives mu and log sigma^2.

    In eval mode the mode mu is returned. The loss is weight * KL per image / values per image,
    so that `weight` stands to a mean L1 as Rombach's to a summed one.

    Args:
        weight: of the KL term; Rombach et al. use 1e-6.
        values_per_place: image values (3 f^2) that one place of the latent stands for.
    """

    def __init__(self, *, weight: float = 1e-6, values_per_place: int = 48) -> None:
        super().__init__()
        self.weight, self.values_per_place = weight, values_per_place

    def forward(
        self,
        latent: Float[Tensor, "batch moments height width"],
        *,
        rng: torch.Generator | None = None,
    ) -> Quantised:
        """Draw (training) or take the mode (eval).

        Args:
            latent: mu and log sigma^2, stacked along the channels.
            rng: source of the noise; PyTorch's global one where None.
        """
        with torch.autocast(latent.device.type, enabled=False):
            mu, log_variance = latent.float().chunk(2, dim=1)
            log_variance = log_variance.clamp(-30.0, 20.0)
            kl = 0.5 * (mu.square() + log_variance.exp() - 1 - log_variance).sum(1).mean()
            z = mu
            if self.training:
                noise = torch.randn(mu.shape, generator=rng, device=mu.device)
                z = mu + (log_variance / 2).exp() * noise
            return Quantised(z, self.weight * kl / self.values_per_place, None)
