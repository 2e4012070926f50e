"""The tables of docs/metrics.md, computed: what each score says of predictions whose faults are known."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from deepstrf.metrics import compute_CCmax, corrcoef, fve, normalized_corrcoef, signal_power, summary

PAGE = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"
B, N, R, T = 60, 20, 4, 150

SCORES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "`corrcoef`": lambda p, y: corrcoef(p, y),
    '`corrcoef`, `pooling="sounds"`': lambda p, y: corrcoef(p, y, pooling="sounds"),
    "`fve`": lambda p, y: fve(p, y),
    "`normalized_corrcoef` (schoppe)": lambda p, y: normalized_corrcoef(p, y),
    '`normalized_corrcoef`, `pooling="sounds"`': lambda p, y: normalized_corrcoef(p, y, pooling="sounds"),
    "`normalized_corrcoef` (hsu)": lambda p, y: normalized_corrcoef(p, y, "hsu"),
}


def recordings() -> tuple[dict[str, Tensor], Tensor]:
    """Predictions by name, and trials: sounds differ in their mean (variance 1) and within (1); the noise has 4."""
    g = torch.Generator().manual_seed(0)
    means = torch.randn(B, N, 1, 1, generator=g, dtype=torch.float64)
    course = torch.randn(B, N, 1, T, generator=g, dtype=torch.float64)
    course = course - course.mean(-1, keepdim=True)
    signal = means + course
    gt = signal + 2 * torch.randn(B, N, R, T, generator=g, dtype=torch.float64)
    preds = {
        "perfect": signal,
        "twice as large, + 1": 2 * signal + 1,
        "means of the sounds only": means + 1e-3 * torch.randn(course.shape, generator=g, dtype=torch.float64),
        "course within sounds only": course,
        "a bin late": signal.roll(1, -1),
    }
    return preds, gt


def table() -> str:
    preds, gt = recordings()
    lines = ["| score | " + " | ".join(preds) + " |", "|---" * (len(preds) + 1) + "|"]
    for name, score in SCORES.items():
        lines.append(
            f"| {name} | " + " | ".join(f"{round(score(p, gt).item(), 2) + 0.0:.2f}" for p in preds.values()) + " |"
        )
    return "\n".join(lines)


BIAS_NEURONS, SNRS, TRIALS, BINS = 200, (0.05, 0.2, 1.0), (2, 5, 10), (500, 3000)


def bias(snr: float, trials: int, bins: int) -> tuple[float, float, int]:
    """Mean and scatter of the CCnorm of perfect predictions, in %, and how many of 100 neurons it is undefined for."""
    g = torch.Generator().manual_seed(0)
    signal = torch.randn(1, BIAS_NEURONS, 1, bins, generator=g, dtype=torch.float64)
    noise = torch.randn(1, BIAS_NEURONS, trials, bins, generator=g, dtype=torch.float64)
    scores = normalized_corrcoef(signal, signal + snr**-0.5 * noise, reduction="none")
    found = summary(scores)
    return found.mean, scores[~scores.isnan()].std().item(), round(100 * found.undefined / BIAS_NEURONS)


def bias_table() -> str:
    heads = [f"{trials} trials, {bins} bins" for trials in TRIALS for bins in BINS]
    lines = ["| SNR of a trial | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    for snr in SNRS:
        cells = []
        for trials in TRIALS:
            for bins in BINS:
                mean, scatter, undefined = bias(snr, trials, bins)
                cells.append(f"{mean:.2f} ± {scatter:.2f}" + (f" ({undefined} %)" if undefined else ""))
        lines.append(f"| {snr:g} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def test_the_table_of_biases_is_what_perfect_predictions_score():
    assert bias_table() in PAGE.read_text(encoding="utf-8"), bias_table()


def test_the_table_of_the_page_is_what_the_scores_say():
    assert table() in PAGE.read_text(encoding="utf-8"), table()


def test_the_values_follow_from_the_variances():
    """Signal 2 (1 between, 1 within), noise of the mean of four trials 1."""
    preds, gt = recordings()
    expected = {
        "perfect": (math.sqrt(2 / 3), math.sqrt(1 / 2), 2 / 3, 1, 1, 1),
        "means of the sounds only": (math.sqrt(1 / 3), 0, 1 / 3, math.sqrt(1 / 2), 0, math.sqrt(1 / 2)),
        "course within sounds only": (math.sqrt(1 / 3), math.sqrt(1 / 2), 1 / 3, math.sqrt(1 / 2), 1, math.sqrt(1 / 2)),
    }
    for name, values in expected.items():
        for (score_name, score), value in zip(SCORES.items(), values, strict=True):
            assert score(preds[name], gt).item() == pytest.approx(value, abs=0.03), (name, score_name)
    assert signal_power(gt).mean().item() == pytest.approx(2, abs=0.1)
    assert signal_power(gt, pooling="sounds").mean().item() == pytest.approx(1, abs=0.05)
    assert compute_CCmax(gt, n_splits=3).mean().item() == pytest.approx(math.sqrt(2 / 3), abs=0.02)
