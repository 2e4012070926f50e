"""What the exercises of "Four slots, a zoo of models" expect."""

import torch

from deepstrf.models import LinearNonlinear
from deepstrf_widgets import pictures

from .checking import Question
from .lesson import Lesson

lesson = Lesson(5)
check, grade, solution = lesson.check, lesson.grade, lesson.solution


@lesson.exercise("LN parameters", "ln_parameters", kind="number", stumble="Leaving out batch norm and output curve.")
def _(ln_parameters, build, counts):
    assert counts["LinearNonlinear"] == 34 * 9 + 5
    return Question(
        ln_parameters,
        build(LinearNonlinear, temporal_window_size=20).count_trainable_params(),
        hints=["Bands times lags, and then five more.", "34 x 20 + 1 + 2 + 2"],
        because="Nearly all of it is the STRF. This is where Gaussians save (notebook 03).",
    )


@lesson.exercise("memory of ConvNet2D", "convnet_bins", kind="number", stumble="27: the present bin is counted three times.")
def _(convnet_bins, memory_bins, zoo):
    return Question(
        convnet_bins,
        memory_bins(zoo["ConvNet2D"]),
        hints=[
            "The second layer sees 9 outputs of the first, the oldest of which has seen 8 bins more.",
            "Each layer adds 8 bins to the present one.",
        ],
        because="3 x 8 + 1 bins, 125 ms. The notebook found it by changing one bin and looking how far the change spreads.",
    )


@lesson.exercise(
    "looks ahead", "looks_ahead", kind="function", stumble="Changing the sound itself instead of a copy, or comparing all bins."
)
def _(looks_ahead, suspects, guilty, noise):
    kept = noise.clone()
    verdicts = {name: looks_ahead(model, noise.clone(), 60) for name, model in suspects.items()}
    assert torch.equal(noise, kept)
    return Question(
        None if verdicts["peeks 1"] is None else verdicts,
        lambda said: all(bool(said[name]) == (name in guilty) for name in suspects),
        hints=[
            "Make a copy of the sound (sound.clone()) and change it from bin t on: copy[..., t:] += 10.0",
            "Compare model(sound)[..., :t] with model(copy)[..., :t].",
            "It looks ahead if they are *not* equal.",
        ],
        because="Your test catches the two that were built wrongly, and clears the six of the zoo bit for bit.",
    )


@lesson.exercise("map of LN", "ln_map", stumble="(a): the slope of the output curve is a factor.")
def _(ln_map, maps, likeness, ln, alike, moments, heard, DT_MS):
    assert likeness["LN"] > 0.999 and likeness["network"] < 0.98
    effective, _ = ln.effective_STRF()
    assert alike(torch.stack([maps["LN"][0], effective[0, 0]])) > 0.999
    ratio = float(maps["LN"][0].norm() / maps["LN"][1].norm())

    def picture():
        fields = torch.cat(list(maps.values()))
        return pictures.strf_picture(
            fields / fields.abs().amax((1, 2), keepdim=True),
            dt_ms=DT_MS,
            cf_hz=heard.cf_hz,
            delay_ms=heard.delay_ms,
            titles=[f"{name}, {moment * DT_MS:.0f} ms" for name in maps for moment in moments],
        )

    return Question(
        ln_map,
        "c" if likeness["LN"] < 0.999 else "a" if torch.allclose(*maps["LN"], rtol=0.01) else "b",
        hints=[
            "The drive of an LN neuron is linear in the sound. What does the output curve add?",
            "The chain rule: slope of the curve times the STRF.",
        ],
        because=f"The slope of the output curve changes (here by a factor of {ratio:.1f}), the STRF does not.",
        show=picture,
    )
