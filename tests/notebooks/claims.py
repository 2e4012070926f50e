"""The numbers in the lessons' texts that no cell of the lesson shows, each with what computes it.

A claim is run in the kernel of the solved lesson. ``BOUNDS`` are numbers that only part the choices of a question.
"""

FIELD_OF_THE_ONSET_NEURON = """
field = demo.model.readout.effective_STRF("ON")[0][0]
band, tap = divmod(int(field.argmax()), field.shape[1])
assert (field.shape[1] - 1 - tap) * 5.0 + 2.5 == 17.5 and abs(float(demo.stimulus.cf_hz[band]) - 4000) < 150
"""

CLAIMS: dict[int, dict[str, str]] = {
    0: {"17.5": FIELD_OF_THE_ONSET_NEURON},
    1: {
        "165.4 0.88 2.1": "f = 1234.0; assert np.isclose(inverse_Greenwood(f), np.log10(f / 165.4 + 0.88) / 2.1)",
        "21.4 0.00437": "f = 1234.0; assert np.isclose(Hz_to_ERB(f), 21.4 * np.log10(0.00437 * f + 1))",
        "2595 700": "f = 1234.0; assert np.isclose(Hz_to_mel(f), 2595 * np.log10(1 + f / 700))",
        "80": "import inspect; assert inspect.signature(log_mel_spectrogram).parameters['floor_db'].default == -80",
    },
    2: {
        "1.3": "assert DT_MS * spans['after the bursts'].start == 1300 and DT_MS * spans['after the bursts'].stop == 2000",
        "2.8 3.4": "assert [DT_MS * t for t in (spans['during the ripples'].start, spans['during the ripples'].stop)] == [2800, 3400]",
    },
    3: {"17.5": FIELD_OF_THE_ONSET_NEURON},
    4: {
        "0.4": "assert abs(threshold - 0.4) < 1e-6",
        "1.55": "assert abs(float(curves['double exponential'].max()) - 1.55) < 0.01 and abs(float((a + b).item()) - 1.55) < 1e-6",
    },
    7: {"2.5": "assert 500 * recording.dt_ms == 2500"},
    8: {"372": "assert model.count_trainable_params() == 372"},
    11: {
        "108": "import json; from pathlib import Path; import deepstrf.datasets as d\n"
        "sets = json.loads((Path(d.__file__).parent / 'catalogue.json').read_text())['sets']\n"
        "assert sets['nat4-a1']['megabytes'] == 108"
    },
    12: {"2.8": "assert HIDDEN_HZ == 2800.0"},
}
BOUNDS = {6: {"75", "100"}}
