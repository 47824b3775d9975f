"""Do the audits' numbers agree with other implementations?

    git clone https://github.com/xrobin/pROC
    pip install --target peers captum==0.9.0 fairlearn==0.15.0 pyreadr
    PYTHONPATH=peers python benchmarks/audit_peers.py --asah pROC/data/aSAH.RData \
        --out benchmarks/results/audit_peers.json

DeLong's areas, intervals and paired tests beside what the tests of R's pROC expect of its own data
(113 patients after subarachnoid haemorrhage; the data stay where they are); its standard error
beside a bootstrap of scikit-learn's area; gaps of groups beside fairlearn's MetricFrame;
integrated gradients, occlusion, infidelity and sensitivity beside captum, on a small network.
"""

from __future__ import annotations

import argparse
import importlib.metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from retinaforge.audits.attribution import (
    baseline_of,
    infidelity,
    integrated_gradients,
    occlusion,
    sensitivity,
)
from retinaforge.core.artefacts import environment, write_json
from retinaforge.metrics.delong import against_chance, delong, paired
from retinaforge.metrics.groups import group_gap
from retinaforge.metrics.judged import Judged

Found = dict[str, Any]
PROC = {
    "ndka": (0.501244999271703, 0.611957994579946, 0.722670989888189),
    ("wfns", "s100b"): (0.0271757822291882, 0.0104061769564846, 0.174214419249478),
    ("wfns", "ndka"): (0.00514557970691098, 0.0634011709339876, 0.3600405634833566),
}
"""test-ci.auc.R: low, area, high; test-roc.test.R: p, low, high of the difference (ee2877e)."""
SIDE, STEPS = 48, 24
FOV = np.ones((SIDE, SIDE), bool)


def proc(path: Path) -> Found:
    """Compare with what the tests of R's pROC expect."""
    import pyreadr

    table = pyreadr.read_r(str(path))["aSAH"]
    truth = (table["outcome"] == "Poor").to_numpy()
    scores = {name: table[name].astype(float).to_numpy() for name in ("wfns", "s100b", "ndka")}
    rows = []
    for asked, expected in PROC.items():
        if isinstance(asked, str):
            tested = against_chance(delong(truth, scores[asked][:, None]))
            ours = (tested.interval[0], tested.value, tested.interval[1])
        else:
            both = delong(truth, np.stack([scores[name] for name in asked], axis=1))
            tested = paired(both, 0, 1)
            ours = (tested.p, *tested.interval)
        far = float(np.abs(np.subtract(ours, expected)).max())
        rows.append({"scores": asked, "ours": ours, "pROC": expected, "largest difference": far})
    return {"patients": len(truth), "with a poor outcome": int(truth.sum()), "rows": rows}


def bootstrap(draws: int = 2000) -> Found:
    """Compare DeLong's standard error with a bootstrap of scikit-learn's area."""
    rows = []
    for seed, n, skill in ((0, 60, 0.5), (1, 150, 1.0), (2, 300, 1.5)):
        rng = np.random.default_rng(seed)
        truth = rng.random(n) < 0.4
        scores = rng.normal(size=n) + skill * truth
        areas = delong(truth, scores[:, None])
        drawn = [rng.integers(n, size=n) for _ in range(draws)]
        each = [roc_auc_score(truth[d], scores[d]) for d in drawn if 0 < truth[d].sum() < n]
        rows.append({"n": n, "area": float(areas.values[0]),
                     "scikit-learn": float(roc_auc_score(truth, scores)),
                     "standard error": float(np.sqrt(areas.covariance[0, 0])),
                     "bootstrap": float(np.std(each))})  # fmt: skip
    return {"draws": draws, "rows": rows}


def gaps(draws: int = 20) -> Found:
    """Compare gaps of groups with fairlearn's MetricFrame."""
    from fairlearn.metrics import MetricFrame, true_negative_rate, true_positive_rate

    metrics = {"auroc": roc_auc_score, "sensitivity": true_positive_rate,
               "specificity": true_negative_rate}  # fmt: skip
    worst = dict.fromkeys(metrics, 0.0)
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        truth = rng.random(400) < 0.4
        scores = rng.normal(size=400) + truth
        groups = rng.choice(["a", "b", "c"], 400).tolist()
        own = Judged(truth, scores, scores > 0.5, tuple(map(str, range(400))))
        for name, metric in metrics.items():
            ours = group_gap(own, groups, name, rng=rng, resamples=2, shuffles=2).value
            said = scores if name == "auroc" else own.called
            frame = MetricFrame(
                metrics=metric, y_true=truth, y_pred=said, sensitive_features=groups
            )
            worst[name] = max(worst[name], abs(ours - float(frame.difference("between_groups"))))
    return {"draws": draws, "largest difference": worst}


def network() -> torch.nn.Module:
    """Return a small smooth network of one output."""
    torch.manual_seed(0)
    layers = (torch.nn.Conv2d(3, 8, 5, stride=2), torch.nn.GELU(),
              torch.nn.Conv2d(8, 8, 5, stride=2), torch.nn.GELU(),
              torch.nn.Flatten(), torch.nn.LazyLinear(1))  # fmt: skip
    model = torch.nn.Sequential(*layers).double()
    model(torch.zeros(1, 3, SIDE, SIDE, dtype=torch.float64))
    return model.eval()


def maps(images: int = 5) -> Found:
    """Compare attributions and their trust with captum's."""
    model = network()
    return {"rows": [_map(model, np.random.default_rng(seed).uniform(0, 255, (SIDE, SIDE, 3)))
                     for seed in range(images)]}  # fmt: skip


def _map(model: torch.nn.Module, image: np.ndarray) -> Found:
    from captum import attr

    x, base = _tensor(image), baseline_of(image, FOV)
    heat = _integrated(model, image)
    theirs = attr.IntegratedGradients(model).attribute(
        x, baselines=_tensor(base), n_steps=STEPS, method="riemann_middle"
    )
    flat = theirs.detach().sum(dim=1)[0].numpy()
    ours = occlusion(lambda i: _score(model, i), image, FOV, patches=12)
    slid = attr.Occlusion(model).attribute(
        x, sliding_window_shapes=(3, SIDE // 12, SIDE // 12), strides=(3, SIDE // 24, SIDE // 24),
        baselines=_tensor(base),
    )  # fmt: skip
    slid = slid.detach().sum(dim=1)[0].numpy()
    return {
        "integrated gradients, largest difference over the largest value":
        float(np.abs(heat - flat).max() / np.abs(flat).max()),
        "occlusion, correlation": float(np.corrcoef(ours.ravel(), slid.ravel())[0, 1]),
        **_trust(model, image, base, heat),
    }  # fmt: skip


def _trust(model: torch.nn.Module, image: np.ndarray, base: np.ndarray, heat: np.ndarray) -> Found:
    from captum import attr, metrics

    x, heats = _tensor(image), torch.tensor(np.repeat(heat[None, None], 3, axis=1) / 3)
    hidden, squares = _squares(image, base, FOV, np.random.default_rng(7))
    lost = _score(model, image[None])[0] - _score(model, hidden)
    untrue = metrics.infidelity(
        model, lambda *_: (torch.tensor(squares), _tensors(hidden)), x, heats,
        n_perturb_samples=len(hidden), normalize=True,
    )  # fmt: skip
    moved = _tensor(np.clip(image + np.random.default_rng(8).uniform(-4, 4, image.shape), 0, 255))

    def explain(inputs: torch.Tensor | tuple[torch.Tensor, ...]) -> tuple[torch.Tensor]:
        one = inputs[0] if isinstance(inputs, tuple) else inputs
        by = attr.IntegratedGradients(model).attribute(
            one, baselines=_tensor(baseline_of(_image(one), FOV)), n_steps=STEPS,
            method="riemann_middle",
        )  # fmt: skip
        # A bare tensor would be taken for a tuple of rows, and its norm for that of the first.
        return (by.detach().sum(dim=1),)

    most = metrics.sensitivity_max(explain, x, perturb_func=lambda *_: moved, n_perturb_samples=1)
    rng = np.random.default_rng
    return {
        "infidelity": infidelity(lambda i: _score(model, i), heat, image, FOV, rng=rng(7)),
        "infidelity, captum": float(untrue[0]) / float((lost**2).mean()),
        "sensitivity": sensitivity(
            lambda i: _integrated(model, i), heat, image, FOV, rng=rng(8), trials=1
        ),
        "sensitivity, captum": float(most[0]),
    }  # fmt: skip


def _integrated(model: torch.nn.Module, image: np.ndarray) -> np.ndarray:
    return integrated_gradients(lambda i: _gradient(model, i), image, FOV, steps=STEPS)


def _squares(
    image: np.ndarray, base: np.ndarray, fov: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the squares that `infidelity` draws: images, and masks of shape (n, 3, side, side)."""
    rows, columns = np.nonzero(fov)
    hidden, masks = [], []
    for _ in range(64):
        half, place = rng.uniform(1 / 16, 1 / 6) * SIDE, rng.integers(len(rows))
        y, x = np.indices(fov.shape)
        low = [max(0, round(float(v[place]) - half)) for v in (rows, columns)]
        high = [round(float(v[place]) + half) + 1 for v in (rows, columns)]
        inside = (y >= low[0]) & (y < high[0]) & (x >= low[1]) & (x < high[1])
        hidden.append(np.where(inside[..., None], base, image))
        masks.append(np.repeat(inside[None].astype(float), 3, axis=0))
    return np.stack(hidden), np.stack(masks)


def _tensors(images: np.ndarray) -> torch.Tensor:
    return torch.tensor(images / 127.5 - 1).permute(0, 3, 1, 2)


def _tensor(image: np.ndarray) -> torch.Tensor:
    return _tensors(image[None])


def _image(x: torch.Tensor) -> np.ndarray:
    return ((x[0].detach().permute(1, 2, 0).numpy()) + 1) * 127.5


def _score(model: torch.nn.Module, images: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return model(_tensors(images))[:, 0].numpy()


def _gradient(model: torch.nn.Module, images: np.ndarray) -> np.ndarray:
    x = _tensors(images).requires_grad_()
    (by,) = torch.autograd.grad(model(x).sum(), x)
    return by.permute(0, 2, 3, 1).numpy() / 127.5


def main() -> None:
    """Compare and write."""
    say = argparse.ArgumentParser(description=__doc__)
    say.add_argument("--asah", type=Path, required=True, help="aSAH.RData of R's pROC")
    say.add_argument("--out", type=Path, required=True)
    asked = say.parse_args()
    found = {"DeLong beside R's pROC": proc(asked.asah),
             "DeLong beside a bootstrap": bootstrap(), "gaps beside fairlearn": gaps(),
             "maps beside captum": maps()}  # fmt: skip
    versions = {name: importlib.metadata.version(name) for name in
                ("captum", "fairlearn", "scikit-learn", "torch")}  # fmt: skip
    write_json(asked.out, {**found, "versions": versions, "environment": environment()})
    print(found)


if __name__ == "__main__":
    main()
