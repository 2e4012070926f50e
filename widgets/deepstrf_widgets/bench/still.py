"""Picture of a bench as it stands, for where no kernel is: saved notebooks on GitHub, in nbviewer, in nbconvert."""

from __future__ import annotations

import base64
import functools
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ..session.parameters import channel_names
from ..session.reading import Reading

__all__ = ["still", "with_still"]

WIDTH, HEIGHT = 900, 330
LEFT, TOP, GAP = 46, 44, 60
FIELD_PX = 270
PLOT_PX = HEIGHT - TOP - 34
SOUND_PX = 96
MOST_CHANNELS = 4
INK, MUTED, LINE = (23, 25, 28), (91, 98, 108), (198, 203, 211)
RECORDED, TRAINED = (195, 201, 210), (122, 130, 142)
WEIGHT_COLOURS, SOUND_COLOURS, TEXT_SHADES = 101, 104, 24
"""With the plain ones, 256 in all."""

WARM, COOL = np.array([200.0, 80, 28]), np.array([46.0, 125, 200])
DARK, BRIGHT = np.array([20.0, 11, 52]), np.array([250.0, 210, 120])

Image.preinit()  # else the first picture of a kernel waits until the formats of files have been imported

Box = tuple[int, int, int, int]
Pixels = NDArray[np.uint8]


def still(session: Reading, neuron: int, *, sound: int = 0) -> bytes:
    """PNG of a neuron's receptive field (one picture for each channel), its sound and its response.

    Parameters
    ----------
    session : LiveSession
        Read, not changed.
    neuron : int
        Its number.
    sound : int
        Which sound of the stimulus batch.
    """
    now = session.snapshot()
    picture = Image.new("RGB", (WIDTH, HEIGHT), "white")
    draw: Any = ImageDraw.Draw(picture)
    font = ImageFont.load_default(12)
    score = now.scores(neuron)
    texts = [now.neuron_names[neuron], type(now.model).__name__]
    texts += [f"{name} {value:.2f}" for name, value in (("r", score.r), ("VE", score.explained)) if _is_number(value)]
    draw.text((LEFT, 12), " · ".join(texts), INK, font)
    khz = now.cf_hz / 1e3
    kernel = now.live.kernel(neuron)
    left = LEFT
    if kernel is not None:
        weights = kernel[:MOST_CHANNELS].detach().cpu().double().numpy()
        each = FIELD_PX // len(weights)
        for channel, field in enumerate(weights):
            box = (left + channel * each, TOP, left + (channel + 1) * each - 8, TOP + PLOT_PX)
            _put(picture, draw, _diverging(field, float(np.abs(weights).max())), box)
            name = channel_names(len(kernel))[channel] if len(kernel) > 1 else "receptive field"
            draw.text((box[0], TOP - 16), name, MUTED, font)
        first = (weights.shape[2] - 1) * now.dt_ms + now.delay_ms
        draw.text((left, TOP + PLOT_PX + 6), f"lag {first:.0f} to {now.delay_ms:.0f} ms", MUTED, font)
        for row, value in ((TOP, khz[-1]), (TOP + PLOT_PX - 12, khz[0])):
            draw.text((6, row), f"{value:.3g}", MUTED, font)
        draw.text((6, TOP - 16), "kHz", MUTED, font)
        left += FIELD_PX + GAP
    right = WIDTH - 16
    spectrogram = now.stimulus[sound, 0, :, : now.sound_bins[sound]].detach().cpu().double().numpy()
    _put(picture, draw, _ramp(spectrogram), (left, TOP, right, TOP + SOUND_PX))
    _lines(draw, font, now, neuron, sound, (left, TOP + SOUND_PX + 14, right, TOP + PLOT_PX))
    seconds = spectrogram.shape[1] * now.dt_ms / 1e3
    draw.text((left, TOP + PLOT_PX + 6), f"0 to {seconds:.3g} s: recorded, trained (thin) and model", MUTED, font)
    data = io.BytesIO()
    # A third of the time of the usual level, for a fifth more bytes.
    picture.quantize(palette=_palette(), dither=Image.Dither.NONE).save(data, "PNG", compress_level=3)
    return data.getvalue()


def with_still(data: dict[str, Any], session: Reading, neuron: int, sound: int) -> dict[str, Any]:
    """The representations of an output, and the picture: what a viewer shows that cannot show the widget."""
    picture = base64.b64encode(still(session, neuron, sound=sound)).decode("ascii")
    return {**data, "image/png": picture}


@functools.cache
def _palette() -> Image.Image:
    """Every colour that is drawn: to choose 256 from the pixels took longer than all the rest, and mixed the maps."""
    share = np.linspace(-1, 1, WEIGHT_COLOURS)
    shades = np.linspace(0, 1, TEXT_SHADES)[:, None]
    texts = [255 + shades * (np.array(ink) - 255) for ink in (INK, MUTED)]
    plain = np.array([LINE, RECORDED, TRAINED])
    sound = DARK + np.linspace(0, 1, SOUND_COLOURS)[:, None] * (BRIGHT - DARK)
    colours = np.concatenate([_diverging(share, 1.0), sound, *texts, plain]).round().astype(np.uint8)
    made = Image.new("P", (1, 1))
    made.putpalette(colours.tobytes())
    return made


def _is_number(value: float | None) -> bool:
    return value is not None and bool(np.isfinite(value))


def _put(picture: Image.Image, draw: Any, pixels: Pixels, box: Box) -> None:
    """Put rows of bands, the lowest first, into a box with a frame."""
    x0, y0, x1, y1 = box
    drawn = Image.fromarray(np.ascontiguousarray(pixels[::-1])).resize((x1 - x0, y1 - y0), Image.Resampling.NEAREST)
    picture.paste(drawn, (x0, y0))
    draw.rectangle(box, outline=LINE)


def _diverging(values: NDArray[np.float64], reach: float) -> Pixels:
    share = np.nan_to_num(values / reach)[..., None] if reach > 0 else np.zeros((*values.shape, 1))
    ends = np.where(share > 0, WARM, COOL)
    return (255 + np.abs(share) * (ends - 255)).round().astype(np.uint8)


def _ramp(values: NDArray[np.float64]) -> Pixels:
    # No more columns than pixels: an average is what one sees of them.
    step = -(-values.shape[1] // WIDTH)
    shown = np.nan_to_num(values[:, : values.shape[1] // step * step].reshape(len(values), -1, step).mean(2))
    low, high = float(shown.min()), float(shown.max())
    share = ((shown - low) / (high - low))[..., None] if high > low else np.zeros((*shown.shape, 1))
    return (DARK + share * (BRIGHT - DARK)).round().astype(np.uint8)


def _lines(draw: Any, font: Any, now: Any, neuron: int, sound: int, box: Box) -> None:
    """Recorded, trained and predicted response over one range of rates."""
    psth, bins = now.psth(neuron), now.sound_bins[sound]
    curves = [
        (None if psth is None else psth[sound, :bins], RECORDED, 1),
        (now.trained.rate(neuron)[sound, :bins], TRAINED, 1),
        (now.rate(neuron)[sound, :bins], INK, 2),
    ]
    values = [(curve.detach().cpu().double().numpy(), *style) for curve, *style in curves if curve is not None]
    finite = [y[np.isfinite(y)] for y, *_ in values]
    low = min([0.0, *(float(y.min()) for y in finite if y.size)])
    high = max([low + 1e-9, *(float(y.max()) for y in finite if y.size)])
    x0, y0, x1, y1 = box
    for y, colour, width in values:
        up = y1 - (y - low) / (high - low) * (y1 - y0)
        points = np.stack([np.linspace(x0, x1, len(y)), up], 1)[np.isfinite(up)]
        if len(points) > 1:
            draw.line(points.ravel().tolist(), fill=colour, width=width)
    draw.rectangle(box, outline=LINE)
    draw.text((x0 - 40, y0), f"{high:.3g}", MUTED, font)
