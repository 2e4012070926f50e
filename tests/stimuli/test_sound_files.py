"""read_wav: exact values for every sample format, and a message that names the file for everything that is wrong."""

import contextlib
import os
import tracemalloc

import numpy as np
import pytest
import soundfile
from scipy.io import wavfile

from deepstrf.stimuli import read_wav, spectrogram_from_wav

RATE = 8000


@pytest.fixture
def sound() -> np.ndarray:
    return np.random.default_rng(3).uniform(-0.9, 0.9, 400)


@pytest.mark.parametrize(
    ("subtype", "step"),
    [
        ("PCM_U8", 2**-7),
        ("PCM_16", 2**-15),
        ("PCM_24", 2**-23),
        ("PCM_32", 2**-24),
        ("FLOAT", 2**-24),
        ("DOUBLE", 2**-24),
    ],
)
@pytest.mark.parametrize("rate", [8000, 44100, 97656])
def test_formats_and_rates(tmp_path, sound, subtype, step, rate):
    path = tmp_path / "a.wav"
    soundfile.write(path, sound, rate, subtype=subtype)
    waveform, rate_hz = read_wav(path)
    assert waveform.dtype == np.float32
    assert waveform.shape == (400,)
    assert rate_hz == rate
    # An integer format rounds to its step (some encoders truncate, hence a whole one), float32 to 2^-24.
    assert np.abs(waveform - sound).max() <= step * 1.01


def test_sixteen_bits_are_divided_by_two_to_the_fifteen(tmp_path):
    path = tmp_path / "a.wav"
    wavfile.write(path, RATE, np.array([-32768, -1, 0, 1, 32767], dtype=np.int16))
    np.testing.assert_array_equal(read_wav(path)[0], np.array([-32768, -1, 0, 1, 32767]) / 32768)


def test_channels_are_averaged(tmp_path, sound):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.stack([sound, 0.5 * sound, np.zeros(400)], 1), RATE, subtype="FLOAT")
    np.testing.assert_allclose(read_wav(str(path))[0], sound / 2, atol=1e-7)


def test_flac(tmp_path, sound):
    path = tmp_path / "a.flac"
    soundfile.write(path, sound, RATE, subtype="PCM_16")
    np.testing.assert_allclose(read_wav(path)[0], sound, atol=2**-15)


def test_unknown_length_of_a_streamed_file(tmp_path, sound):
    path = tmp_path / "a.wav"
    soundfile.write(path, sound, RATE, subtype="PCM_16")
    data = bytearray(path.read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    assert len(read_wav(path)[0]) == 400


def test_chunks_before_the_data_are_passed_over(tmp_path, sound):
    path = tmp_path / "a.wav"
    soundfile.write(path, sound, RATE, subtype="PCM_16")
    data = path.read_bytes()
    note = b"note" + (3).to_bytes(4, "little") + b"abc\0"  # an odd length, padded to an even one
    data = data[:12] + note + data[12:]
    path.write_bytes(data[:4] + (len(data) - 8).to_bytes(4, "little") + data[8:])
    np.testing.assert_allclose(read_wav(path)[0], sound, atol=2**-15)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ValueError, match=r"a\.wav is cut short.* 10 bytes"):
        read_wav(path)


def test_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no sound file .*gone\.wav"):
        read_wav(tmp_path / "gone.wav")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_refused_without_waiting_for_its_other_end(tmp_path):
    os.mkfifo(tmp_path / "a.wav")
    with pytest.raises(ValueError, match=r"a\.wav is a pipe or device, not a sound file"):
        read_wav(tmp_path / "a.wav")


def test_folder(tmp_path):
    with pytest.raises(ValueError, match="is a folder"):
        read_wav(tmp_path)


def test_empty(tmp_path):
    path = tmp_path / "a.wav"
    path.touch()
    with pytest.raises(ValueError, match=r"a\.wav is empty"):
        read_wav(path)


@pytest.mark.parametrize(
    "content", [b"hello, this is no sound at all" * 9, b"RIFF\0\0\0\0WAVE", b"RIFF", b"RIFF1234WAVEjunk"]
)
def test_not_a_sound(tmp_path, content):
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.wav is not a sound that can be read: "):
        read_wav(path)


def test_no_samples(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(0), RATE)
    with pytest.raises(ValueError, match=r"a\.wav holds no samples"):
        read_wav(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_finite(tmp_path, sound, value):
    path = tmp_path / "a.wav"
    sound[[200, 300]] = value
    soundfile.write(path, sound, RATE, subtype="FLOAT")
    with pytest.raises(ValueError, match=r"a\.wav holds 2 samples that are NaN or infinite, the first at 0\.025 s"):
        read_wav(path)


@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
def test_cut_short(tmp_path, name):
    path = tmp_path / name
    soundfile.write(path, np.random.default_rng(0).uniform(-1, 1, 20000), RATE, subtype="PCM_16")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=rf"{name} is (cut short|not a sound that can be read)"):
        read_wav(path)


def test_too_long(tmp_path, sound):
    path = tmp_path / "a.wav"
    soundfile.write(path, sound, 100)
    with pytest.raises(ValueError, match=r"a\.wav is too long: 4\.0 s, the limit max_s is 3\.5 s"):
        read_wav(path, max_s=3.5)
    assert len(read_wav(path, max_s=4.0)[0]) == 400


def test_too_large(tmp_path, sound):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.stack([sound, sound], 1), RATE)
    with pytest.raises(ValueError, match=r"a\.wav: 400 samples of 2 channels needs 6e-06 GB .* raise it with max_gb=1"):
        read_wav(path, max_gb=5e-6)
    assert len(read_wav(path, max_gb=6e-6)[0]) == 400


@pytest.mark.parametrize(
    ("name", "container", "subtype"),
    [
        ("a.wav", "WAV", "PCM_16"),
        ("a.wav", "WAVEX", "PCM_24"),
        ("a.wav", "WAV", "IMA_ADPCM"),
        ("a.wav", "WAV", "GSM610"),
        ("a.rf64", "RF64", "PCM_16"),
        ("a.w64", "W64", "FLOAT"),
        ("a.aiff", "AIFF", "PCM_16"),
        ("a.au", "AU", "PCM_16"),
        ("a.caf", "CAF", "PCM_16"),
        ("a.flac", "FLAC", "PCM_16"),
        ("a.ogg", "OGG", "VORBIS"),
        ("a.mp3", "MP3", "MPEG_LAYER_III"),
        ("a.sph", "NIST", "PCM_16"),
        ("a.voc", "VOC", "PCM_16"),
    ],
)
def test_every_format_is_whole_or_refused(tmp_path, capfd, sound, name, container, subtype):
    path = tmp_path / name
    soundfile.write(path, np.tile(sound, 5), RATE, format=container, subtype=subtype)
    whole = path.read_bytes()
    samples = len(read_wav(path)[0])
    assert 2000 <= samples < 2600
    for size in [*range(len(whole) - 30, len(whole)), *range(1, len(whole), 97)]:
        path.write_bytes(whole[:size])
        with contextlib.suppress(ValueError):
            assert len(read_wav(path)[0]) == samples, size
    capfd.readouterr()  # the decoder of MP3 writes warnings of its own


def test_a_size_that_a_streaming_program_left_0_is_the_rest_of_the_file(tmp_path, sound):
    path = tmp_path / "a.wav"
    soundfile.write(path, sound, RATE, subtype="PCM_16")
    data = bytearray(path.read_bytes())
    at = data.index(b"data") + 4
    for size, samples in ((0, 400), (801, 400), (799, 399)):
        data[at : at + 4] = size.to_bytes(4, "little")
        path.write_bytes(data)
        assert len(read_wav(path)[0]) == samples


def test_a_note_after_no_samples_is_no_sound(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(0), RATE)
    data = path.read_bytes()
    path.write_bytes(data + b"LIST" + (4).to_bytes(4, "little") + b"INFO")
    with pytest.raises(ValueError, match=r"a\.wav holds no samples"):
        read_wav(path)


def test_what_is_no_sound_here(tmp_path, sound):
    path = tmp_path / "a.mat"
    soundfile.write(path, sound, RATE, format="MAT5", subtype="PCM_16")
    with pytest.raises(ValueError, match=r"a\.mat is not a sound that can be read: it is of the format MAT5"):
        read_wav(path)
    (tmp_path / "a.raw").write_bytes(bytes(800))
    with pytest.raises(ValueError, match=r"a\.raw is not a sound that can be read: samples without a header"):
        read_wav(tmp_path / "a.raw")
    (tmp_path / "a.m4a").write_bytes(b"\0\0\0 ftypM4A " + bytes(80))
    with pytest.raises(ValueError, match=r"m4a is not a sound .*MPEG-4 sounds, m4a, must be turned into WAV or FLAC"):
        read_wav(tmp_path / "a.m4a")


@pytest.mark.parametrize("rate", [3_000_000, 40_000_000, 2**31 - 1])
def test_a_rate_that_is_a_lie_takes_no_memory(tmp_path, rate):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.random.default_rng(0).uniform(-1, 1, 500_000), RATE)
    data = bytearray(path.read_bytes())
    data[24:28] = rate.to_bytes(4, "little")
    path.write_bytes(data)
    tracemalloc.start()
    try:
        with pytest.raises(
            ValueError, match=r"a\.wav: .*(needs .* GB of memory, limit 2 GB; raise it with max_gb=|at least)"
        ):
            spectrogram_from_wav(path, n_bands=4096)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 100e6
