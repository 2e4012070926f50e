"""What a user prints fits on a few lines, whatever tensors and models it holds."""

from functools import partial

import pytest
import torch

import deepstrf
from deepstrf.analysis import DynamicSTRF, modulation_transfer
from deepstrf.metrics import coherence
from deepstrf.training import Band, EpochRecord, FitJob, FitRecipe, FitResult, Fitter, History, Progress

STRF, CF_HZ, LOSS = torch.rand(6, 1, 34, 40), torch.linspace(500.0, 2000.0, 34), torch.rand(119)
RECORD = EpochRecord(1, LOSS, LOSS, LOSS, 0.01, 2.0)
RECORDING = deepstrf.Recording(torch.rand(9, 1, 34, 99), torch.rand(9, 119, 10, 99), dt_ms=5.0, cf_hz=CF_HZ)

PRINTED = {
    "DynamicSTRF": DynamicSTRF(deepstrf.LinearNonlinear(), torch.rand(9, 1, 34, 99)),
    "Band": Band(STRF, torch.rand(10, *STRF.shape)),
    "Coherence": coherence(torch.rand(1, 2, 1, 400), torch.rand(1, 2, 3, 400), 5.0),
    "Demo": deepstrf.load_demo(),
    "EpochRecord": RECORD,
    "FitResult": FitResult(
        FitJob("a", FitRecipe(deepstrf.LinearNonlinear()), RECORDING),
        {"r": LOSS},
        [STRF] * 9,
        deepstrf.LinearNonlinear().state_dict(),
        error="Traceback\n" * 99,
    ),
    "Fitter": Fitter(optimizer=partial(torch.optim.AdamW, lr=1e-3), callbacks=[print]),
    "History": History([RECORD] * 200, best_epoch=3),
    "ModulationTransfer": modulation_transfer(STRF, CF_HZ, 5.0),
    "Progress": Progress(deepstrf.LinearNonlinear(), 200, History([RECORD] * 200)),
    "Recording": RECORDING,
    "Spectrogram": deepstrf.Spectrogram(torch.rand(34, 1000), CF_HZ, 5.0),
}


@pytest.mark.parametrize("name", PRINTED)
def test_it_is_one_line(name):
    text = repr(PRINTED[name])
    assert text.startswith(f"{name}(")
    assert len(text) <= (800 if name == "FitResult" else 400)
    assert "\n" not in text


def test_shapes_classes_and_functions_stand_for_themselves():
    assert repr(PRINTED["Band"]) == "Band(estimate=Tensor(6, 1, 34, 40), replicates=Tensor(10, 6, 1, 34, 40))"
    text = repr(PRINTED["Fitter"])
    assert "optimizer=AdamW(lr=0.001), schedule=None, loss=None, score=corrcoef" in text
    assert "model=LinearNonlinear, stimulus=Spectrogram('demo'" in repr(PRINTED["Demo"])
