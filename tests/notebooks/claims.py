"""The numbers in the lessons' texts that no cell of the lesson shows, each with what computes it.

A claim is run in the kernel of the solved lesson. ``BOUNDS`` are numbers that only part the choices of a question.
``WORDS`` are claims of an amount in words, and what computes each; ``NO_AMOUNT`` are such words that claim nothing of the
lesson: choices of a question, definitions, a figure of speech.
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

WORDS: dict[int, dict[str, str]] = {
    1: {
        "tens of thousands of numbers a second": "assert 10_000 < RATE_HZ < 100_000",
        "more than 200 Hz apart": "near = int((cf_hz < 2000).sum()); assert float(cf_hz[near] - cf_hz[near - 1]) > 200",
        "nearly the same sound": "assert spectrogram_r > 0.9 and abs(waveform_r) < 0.05",
        "almost evenly": "ends = [one.cf_hz.log2().diff()[[0, -1]] for one in axes.values()]; "
        "assert [bool(1 < low / high < 1.3) for low, high in ends] == [False, False, True]",
    },
    2: {
        "most at first, then less and less": "fall = off[500:600]; assert fall.argmax() == 0 and (fall.diff() <= 0).all()",
        "a quarter of it stays": "shifted = forgetful(song + 30.0); both = (shifted > 0) & (forgetful(song) > 0); "
        "assert abs(float((shifted - forgetful(song))[both].mean()) - 30 / 4) < 0.01",
        "never pause": "assert float(song[0, 0, band, spans['during the ripples']].min()) > 0",
        "is never 0": "assert float(song[0, 0, band, spans['during the ripples']].min()) > 0",
    },
    4: {
        "most of the time nothing that excites it is heard": "assert float((drive[0] <= 0).float().mean()) > 0.5",
        "it fires most of the time": "bad = LiveSession(guessed, demo.stimulus, demo.responses).rate(0); "
        "assert float((bad > 2 * 0.05).float().mean()) > 0.5",
        "a nearly flat line of the right shape": "flat = by_python.rate(0); assert float(flat.max() - flat.min()) < 0.01 and by_python.score(0) > 0.85",
    },
    5: {
        "never\nquite does": "assert memory['StateNet'] > 40 and memory['Transformer'] > 40",
        "the last two never quite forget": "assert memory['StateNet'] > 40 and memory['Transformer'] > 40",
    },
    6: {
        "most sounds are played **once** and a few of them often": "assert len(played_once(160).stimuli) > 3 * (len(validation.stimuli) + len(test.stimuli))",
        "A is a little better": "assert 0 < A['score'] - B['score'] < 0.05",
        "about as often as they say": "assert abs(float(held.float().mean()) - 0.95) < 0.05",
    },
    7: {
        "thousands of times as large": "now, then = (m.readout.strf.kernel.weight[planted['exploding']].abs().max() for m in (model, healthy)); "
        "assert float(now / then) > 2000",
        "Two of them are fine": "assert 8 - len(set(planted.values())) == 2",
    },
    9: {
        "most are refused by name, one passes in silence": "assert all(map(refusal, folders)) and len(read) == 1",
        "most to fit": "assert len(train.stimuli) > len(good.stimuli) / 2",
        "more than nine tenths": "assert normalized_corrcoef(predict(model, test.stimuli), test.responses).mean() > 0.9",
    },
    10: {
        "the ground is nearly flat": "far = np.array(along_frequency)[octaves <= -1]; assert np.abs(far).max() < 0.15 and np.ptp(far) < 0.15",
    },
    11: {
        "several thousand weights": "assert 2000 < numbers['StateNet'] < 10_000",
    },
    12: {
        "stays low, and the Gaussian shrinks": "assert max(far_scores) < 0.3; seen = played(-1.6)[1]; "
        "assert float(seen.value('strf.sigma_oct', (0, 0, 0))) < HIDDEN_OCTAVES / 2",
        "a little nearer is no better": "assert landscape['0.3 octaves'][octaves == -1.5] >= landscape['0.3 octaves'][octaves == -1.6]",
        "never is the neuron": "assert deepest['1.2 octaves'] > 0.5 and deepest['0.3 octaves'] < 0.01",
    },
}
NO_AMOUNT: dict[int, set[str]] = {
    0: {"never saw the truth", "a rate that is never negative", "brings nearly all of the drive there?**"},
    1: {"a little NumPy", "(c) more than 12?", "never reaches it"},
    2: {"four times shorter", "down to a quarter"},
    4: {"(a) a third or so", "(c) two thirds or so", "at most 1.55", "(a) half as wide", "(b) two thirds", "how often each drive occurs"},
    5: {"a little\nlouder"},
    6: {
        *("(a) less than 80 s", "(c) more than 160 s", "that it has never seen", "played often say when to"),
        *("a true value of nearly 0", "(a) none or\nhardly any"),
    },
    7: {"**as good as before**"},
    8: {"a little Python with files", "a little-endian", "(c) a little more, since a model remembers more than what it\nlearns"},
    9: {"one unit never fired", "it has never heard", "sounds it has never heard", "is listed twice"},
    10: {"(a) more than 0.8", "(c) less than 0.2", "helps more than patience", "neuron twice, from the same start"},
    11: {"it has never heard", "(c) less than 0.7", "better on\nnearly all"},
    12: {"for several widths", "has risen a little", "no more than the gradient", "is rarely the cause", "begin several times"},
}
