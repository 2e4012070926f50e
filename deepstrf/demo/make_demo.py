"""Write the demo's files anew: ``python -m deepstrf.demo.make_demo [folder]``.

Everything is seeded; a run on another machine differs by float noise and by what training makes of it.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deepstrf.demo.loading import DATA, MODEL_FOLDER, RESPONSES_FILE, SOUND_FILE, TRUTH_FOLDER
from deepstrf.demo.population import (
    NEURONS,
    build_model,
    build_truth,
    kernel_of,
    standardise_drive,
)
from deepstrf.demo.sounds import (
    DT_MS,
    MAX_HZ,
    MIN_HZ,
    N_BANDS,
    RATE_HZ,
    SECONDS,
    demo_sound,
    random_sound,
    spectrogram,
)
from deepstrf.metrics import corrcoef, fve, normalized_corrcoef, poisson_loss
from deepstrf.models import LinearNonlinear
from deepstrf.simulate import poisson_spikes, strf_correlation
from deepstrf.training import Fitter

TRAINING_SOUNDS, TRAINING_TRIALS, DEMO_TRIALS = 60, 4, 10
TRAINING_SEED, TRAINING_SPIKES_SEED, DEMO_SPIKES_SEED, FIT_SEED = 7, 11, 12, 5
RESTARTS, EPOCHS, BATCH, LEARNING_RATE = 12, 120, 12, 0.1
START_BANDS, START_BINS = 4.0, 5.0  # raw widths: Gaussians that start wide feel the stimulus from afar
SIXTEEN_BITS = 2**15


def training_stimuli(sounds: int = TRAINING_SOUNDS) -> Tensor:
    """Spectrograms (B,1,F,T) of random five-second sounds of the demo's kind."""
    seeds = np.random.SeedSequence(TRAINING_SEED).spawn(sounds)
    return torch.stack([spectrogram(random_sound(np.random.default_rng(seed))).values[None] for seed in seeds])


def fit(
    stimuli: Tensor, responses: Tensor, *, restarts: int = RESTARTS, epochs: int = EPOCHS
) -> tuple[LinearNonlinear, list[float]]:
    """Model fitted on the Poisson loss, and that loss for each neuron, nats per bin.

    The prefilter keeps the time constants of its centre frequencies. Every neuron is fitted ``restarts`` times from
    different receptive fields, side by side in one model (neurons share nothing else); the best of each is kept.

    Parameters
    ----------
    stimuli : Tensor, shape (B,1,F,T)
    responses : Tensor, shape (B,N,R,T)
    restarts, epochs : int
        Copies of a neuron; passes over the stimuli.
    """
    n = responses.shape[1]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(FIT_SEED)
        crowd, model = build_model(n * restarts), build_model(n)
    with torch.no_grad():
        kernel_of(crowd).SIG[0], kernel_of(crowd).SIG[1] = START_BANDS, START_BINS
        adapted = crowd.prefiltering(stimuli)
    target = responses.mean(2, keepdim=True).repeat(1, restarts, 1, 1)
    fitter = Fitter(
        epochs=epochs,
        batch_size=BATCH,
        optimizer=partial(torch.optim.Adam, lr=LEARNING_RATE),
        schedule=partial(torch.optim.lr_scheduler.OneCycleLR, max_lr=LEARNING_RATE, total_steps=epochs),
        smoothness=0.0,  # Gaussians are smooth
        seed=FIT_SEED,
        progress=False,
    )
    fitter.fit(crowd.readout, (adapted, target))
    standardise_drive(crowd, stimuli)
    with torch.no_grad():
        losses = poisson_loss(crowd(stimuli), target, reduction="none").view(restarts, n)
    best = losses.argmin(0) * n + torch.arange(n)
    _copy_neurons(crowd, model, best)
    return model, losses.amin(0).tolist()


def _copy_neurons(source: LinearNonlinear, target: LinearNonlinear, chosen: Tensor) -> None:
    """The chosen neurons of one model put into a smaller one, which is left in evaluation mode."""
    state, wanted = source.state_dict(), target.state_dict()
    for name, tensor in state.items():
        if tensor.shape != wanted[name].shape:
            axis = next(i for i, (a, b) in enumerate(zip(tensor.shape, wanted[name].shape, strict=True)) if a != b)
            state[name] = tensor.index_select(axis, chosen)
    target.load_state_dict(state)
    target.eval()


def scores(model: LinearNonlinear, truth: LinearNonlinear, stimulus: Tensor, responses: Tensor) -> dict[str, Any]:
    """What the fitted model reaches on the demo's sound, which it was not fitted to, for each neuron."""
    with torch.no_grad():
        pred, rate = model(stimulus), truth(stimulus)
    values = {
        "correlation_with_psth": corrcoef(pred, responses, reduction="none"),
        "correlation_with_psth_of_the_truth": corrcoef(rate, responses, reduction="none"),
        "normalized_correlation": normalized_corrcoef(pred, responses, reduction="none"),
        "correlation_with_true_rate": corrcoef(pred, rate, reduction="none"),
        "fraction_of_variance_of_true_rate": fve(pred, rate, reduction="none"),
        "strf_correlation_with_truth": strf_correlation(model.effective_STRF()[0], truth.effective_STRF()[0]),
        "mean_rate_spikes_per_s": rate.mean((0, 2, 3)) * 1000 / DT_MS,
    }
    return {name: [round(v, 4) for v in value.tolist()] for name, value in values.items()}


def write_demo(
    folder: Path, *, sounds: int = TRAINING_SOUNDS, restarts: int = RESTARTS, epochs: int = EPOCHS
) -> dict[str, Any]:
    """Scores of the fitted model, after writing the sound, the truth, its spikes and that model into ``folder``."""
    import soundfile  # type: ignore[import-untyped]
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    samples = np.round(demo_sound() * SIXTEEN_BITS).clip(-SIXTEEN_BITS, SIXTEEN_BITS - 1).astype(np.int16)
    soundfile.write(folder / SOUND_FILE, samples, RATE_HZ, subtype="PCM_16")
    stimulus = spectrogram(samples / SIXTEEN_BITS).values[None, None]

    stimuli = training_stimuli(sounds)
    truth = build_truth(stimuli)
    with torch.no_grad():
        training_spikes = poisson_spikes(truth(stimuli), TRAINING_TRIALS, seed=TRAINING_SPIKES_SEED)
        responses = poisson_spikes(truth(stimulus), DEMO_TRIALS, seed=DEMO_SPIKES_SEED)
    save_file({"responses": responses.to(torch.uint8)}, folder / RESPONSES_FILE)

    model, losses = fit(stimuli, training_spikes, restarts=restarts, epochs=epochs)
    reached = scores(model, truth, stimulus, responses)
    names = [neuron.name for neuron in NEURONS]
    stimulus_facts = {"dt_ms": DT_MS, "n_bands": N_BANDS, "min_hz": MIN_HZ, "max_hz": MAX_HZ, "scale": "mel"}
    about = {"neuron_names": names, "stimulus": stimulus_facts}
    training = {
        "data": f"{sounds} simulated sounds of {SECONDS:g} s, {TRAINING_TRIALS} trials each",
        "loss": "poisson_loss",
        "nats_per_bin": [round(loss, 5) for loss in losses],
    }
    model.save_pretrained(
        folder / MODEL_FOLDER,
        metadata={**about, "training": training, "scores_on_the_demo_sound": reached},
        model_card=_card("LN model fitted to six simulated auditory neurons", names, reached),
    )
    truth.save_pretrained(
        folder / TRUTH_FOLDER,
        metadata=about,
        model_card=_card("The six simulated auditory neurons of the demo", names, None),
    )
    return reached


def _card(title: str, names: list[str], reached: dict[str, Any] | None) -> str:
    """Text of a checkpoint's README.md."""
    lines = [f"# {title}", "", "Written by `python -m deepstrf.demo.make_demo`. No recorded data are involved.", ""]
    if reached is None:
        return "\n".join([*lines, *(f"- {name}" for name in names), ""])
    columns = ("correlation_with_psth", "correlation_with_true_rate", "strf_correlation_with_truth")
    lines += [
        "| neuron | " + " | ".join(c.replace("_", " ") for c in columns) + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    lines += [
        f"| {name} | " + " | ".join(f"{reached[c][i]:.3f}" for c in columns) + " |" for i, name in enumerate(names)
    ]
    return "\n".join([*lines, ""])


def main(arguments: list[str]) -> None:
    """Write the files and print the scores."""
    folder = Path(arguments[0]) if arguments else DATA
    for name, values in write_demo(folder).items():
        print(f"{name}: {values}")


if __name__ == "__main__":
    main(sys.argv[1:])
