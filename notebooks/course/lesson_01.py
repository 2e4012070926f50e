"""What the exercises of "What does a model hear?" expect."""

import numpy as np

from deepstrf_widgets import pictures

from .checking import Question
from .lesson import Lesson

lesson = Lesson(1)
check, grade, solution = lesson.check, lesson.grade, lesson.solution


@lesson.exercise("bands below 2 kHz", "bands_below_2_khz", stumble="Read off the octave line instead of the mel curve.")
def _(bands_below_2_khz, cf_hz, LOW_HZ, HIGH_HZ):
    below = int((cf_hz < 2000).sum())
    in_hz = int((np.linspace(LOW_HZ, HIGH_HZ, 34) < 2000).sum())
    in_octaves = int((np.geomspace(LOW_HZ, HIGH_HZ, 34) < 2000).sum())
    assert abs(np.log2(HIGH_HZ / LOW_HZ) - 5.3) < 0.05
    return Question(
        bands_below_2_khz,
        "a" if below < 5 else "b" if below <= 12 else "c",
        hints=[
            "Look for 2000 Hz on the mel curve: what share of its way is done there?",
            "The mel curve reads about 0.3 there; what is 0.3 of 34?",
        ],
        because=f"{below} of 34. In Hz it would be {in_hz}, in octaves {in_octaves}: mel lies between the two.",
    )


@lesson.exercise(
    "centres", "centres", kind="function", stumble="Equal steps from low_hz to high_hz, without going to mel and back."
)
def _(centres, cf_hz, LOW_HZ, HIGH_HZ):
    others = [tuple(map(float, pair)) for pair in ((200.0, 8000.0), (1000.0, 4000.0))]
    return Question(
        centres(LOW_HZ, HIGH_HZ, 34),
        lambda mine: np.shape(mine) == (34,)
        and np.allclose(mine, cf_hz, rtol=1e-5)
        and all(np.allclose(np.asarray(centres(*pair, 7))[[0, -1]], pair) for pair in others),
        hints=[
            "np.linspace(a, b, n) gives n equal steps from a to b: what should a and b be?",
            "From Hz_to_mel(low_hz) to Hz_to_mel(high_hz), and mel_to_Hz of all that.",
        ],
        because="These are the bands that every model here listens to, unless told otherwise.",
    )


@lesson.exercise("divided by 3", "fall_db", kind="number", stumble="10 log10 instead of 20 log10: amplitude, not power.")
def _(fall_db, spectrogram, quieter):
    loud = spectrogram.values > 20
    measured_db = (spectrogram.values - quieter.values)[loud]
    assert (measured_db - 20 * np.log10(3)).abs().max() < 1e-3
    return Question(
        fall_db,
        20 * np.log10(3),
        within=0.1,
        unit="dB",
        hints=[
            "Power goes with the square of amplitude, and a bel is a factor of 10 in power.",
            "20 log10(ratio of amplitudes).",
        ],
        because="20 log10(3) dB, in every bin that stays above the floor: a change of level adds a constant to the picture.",
    )


@lesson.exercise("two tones", "two_tones", stumble="(a): the two tones lie in the same bands, whatever the window.")
def _(two_tones, cf_hz, band, level_db, swing_db):
    assert cf_hz[band + 1] - cf_hz[band] > 200 and swing_db(10.0) > 10
    return Question(
        two_tones,
        "c" if swing_db(10.0) > 3 else "b",
        hints=[
            "Both tones fall into the same two bands: (a) needs a band between them.",
            "Two tones 50 Hz apart beat 50 times a second, every 20 ms; the window is 10 ms.",
        ],
        because=f"The level beats every 20 ms, by {swing_db(10.0):.0f} dB.",
        show=lambda: pictures.lines_picture(
            {f"window of {window_ms} ms": level_db(window_ms) for window_ms in (10, 40)},
            np.arange(100, 200),
            x_label="time (ms)",
            y_label=f"level at {cf_hz[band]:.0f} Hz (dB)",
        ),
    )


@lesson.exercise("first bin", "first_bin", kind="number", stumble="Counting from 1, or adding half a window.")
def _(first_bin, spectrogram, after):
    same = (spectrogram.values == after.values).all(dim=0)
    first = int((~same).nonzero()[0])
    assert not same[first:].any()
    return Question(
        first_bin,
        first,
        hints=[
            "Bin 0 describes what was heard until 5 ms, bin 1 until 10 ms.",
            "Bin t ends at (t + 1) 5 ms. Which is the last that ends at 250 ms or before?",
        ],
        because=f"Bin {first - 1} ends at 250 ms, bin {first} holds the first new samples. "
        f"Bins 0 to {first - 1} are the same bit for bit.",
        show=lambda: pictures.stack_picture({"as before": spectrogram, after.name: after}),
    )
