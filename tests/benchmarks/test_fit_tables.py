"""A small share of the tables of default fits, on simulated neurons."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from deepstrf.datasets import read_nems
from deepstrf.simulate import simulate_population
from deepstrf.training import Fitter, kernel_ridge, ridge
from tests.benchmarks import gaussian_table, left_out_sounds, public_recordings, recipes_table, song_cells, which_model

FITS = Path(__file__).resolve().parents[2] / "docs" / "fits.md"
PARTS = ("recorded", "simulated, softplus")


@pytest.mark.slow
@pytest.mark.parametrize("truth", gaussian_table.TRUTHS)
def test_gaussians_are_as_good_as_a_free_field(truth):
    recording = gaussian_table.simulated(truth, 6, 40.0)
    found = gaussian_table.compared(recording, "none", folds=1, seeds=1)
    assert found["8 Gaussians"].scores.mean() >= found["free field"].scores.mean() - 0.01


@pytest.mark.slow
def test_models_by_default_reach_ridge_whatever_the_seed():
    """Songs of unequal length, on which a fit that starts by chance stays on its first plateau."""
    recording = recipes_table.simulated(4, 15)
    found = dict(recipes_table.rows(recording, 0, seeds=2, names=["LinearNonlinear", "Gaussians"]))
    baseline = found.pop("ridge").scores.mean()
    for name, row in found.items():
        assert row.scores.mean() >= baseline, name
        assert row.spread <= 0.03, name


def test_the_table_says_which_models_stay_below_ridge_and_writes_their_rows_into_the_page(
    capsys, monkeypatch, tmp_path
):
    small = recipes_table.simulated(2, 10)
    monkeypatch.setattr(recipes_table, "simulated", lambda output: small)
    page = tmp_path / "fits.md"
    kept, old = (
        "| DNet, none | 0.500 | +0.100 | 0.010 | 5 | 1.0 | mse |  |",
        "| StateNet, none | 9 | 9 | 9 | 9 | 9 | |  |",
    )
    part = "simulated, softplus"
    page.write_text(f"Before\n<!-- {part} -->\n{kept}\n{old}\n<!-- end of {part} -->\nAfter\n")
    arguments = ["--seeds", "1", "--models", "StateNet", "--adaptation", "none", "--epochs", "1"]
    recipes_table.main([*arguments, "--write", str(page)])
    printed = capsys.readouterr().out
    assert "StateNet, none" in printed
    assert "below ridge" in printed
    written = page.read_text().splitlines()
    assert (written[0], written[-1]) == ("Before", "After")
    assert [line.split(" | ")[0] for line in written if line.startswith("| ")] == [
        "| model, adaptation", "| ridge", "| DNet, none", "| StateNet, none",
    ]  # fmt: skip
    assert kept in written
    assert old not in written
    with pytest.raises(SystemExit):  # before anything is fitted
        recipes_table.main([*arguments, "--write", str(page), "--output", "sigmoid"])
    assert "must have the line '<!-- simulated, sigmoid -->' for these rows" in capsys.readouterr().err


def test_rows_of_saturating_neurons_are_printed(capsys, monkeypatch):
    made = recipes_table.simulated
    monkeypatch.setattr(recipes_table, "simulated", lambda output: made(2, 10, output=output))
    recipes_table.main(["--seeds", "1", "--models", "LinearNonlinear", "--adaptation", "none", "--output", "sigmoid"])
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("| LinearNonlinear, none"))
    assert float(row.split("|")[2]) > 0.6


def rows_of_the_page(part: str) -> dict[str, list[str]]:
    """Cells of each row between the markers of a part of docs/fits.md, by its first."""
    text = FITS.read_text(encoding="utf-8")
    lines = text.split(f"<!-- {part} -->")[1].split(f"<!-- end of {part} -->")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    return {row[0]: row[1:] for row in rows if row[0] != "model, adaptation"}


def test_the_page_has_every_model_with_both_adaptations_and_says_which_stay_below_ridge():
    small = recipes_table.simulated(2, 10)
    names = {f"{name}, {kind}" for kind in recipes_table.ADAPTATIONS for name in recipes_table.models(small, kind)}
    for part in PARTS:
        by_name = rows_of_the_page(part)
        assert names | {"ridge"} == by_name.keys(), part
        for name in names:
            assert (by_name[name][6] == "below ridge") == (float(by_name[name][1]) < -0.005), (part, name)


def test_what_the_page_says_of_its_tables_is_what_they_show():
    page = " ".join(FITS.read_text(encoding="utf-8").split())
    recorded, simulated = (rows_of_the_page(part) for part in PARTS)
    spread = {name: max(float(one[name][2]) for one in (recorded, simulated)) for name in recorded}
    of_transformer = max(value for name, value in spread.items() if name.startswith("Transformer"))
    assert f"seeds of the Transformer differ by {of_transformer:.3f} at most in both tables" in page
    assert f"those of every model by {max(spread.values()):.3f} at most" in page
    plain = [
        {name: float(row[0]) for name, row in one.items() if name.endswith(", none")} for one in (recorded, simulated)
    ]
    assert "it reaches more than every other model without adaptation on the two units" in page
    assert max(plain[0], key=plain[0].__getitem__) == "StateNet, none"
    assert "and less than the Gaussians on the simulated neurons" in page
    assert plain[1]["StateNet, none"] < plain[1]["Gaussians, none"]
    networks = {name: float(row[0]) for name, row in recorded.items() if row[6] == "below ridge"}
    assert "several networks stay below ridge, the Transformer by far" in page
    assert not [name for name in networks if name.startswith(("Linear", "Gaussians"))]
    assert len(networks) >= 3
    far = [value for name, value in networks.items() if name.startswith("Transformer")]
    others = [value for name, value in networks.items() if not name.startswith("Transformer")]
    assert float(recorded["ridge"][0]) - max(far) > 5 * (float(recorded["ridge"][0]) - min(others))
    for one in (recorded, simulated):
        ridge_score = float(one["ridge"][0])
        for name, row in one.items():
            assert float(row[1]) == pytest.approx(float(row[0]) - ridge_score, abs=0.0011), name  # each is rounded


def test_the_page_is_written_between_its_markers_and_an_interrupted_run_goes_on(tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{which_model.BEGIN}\nold\n{which_model.END}\nafter\n")
    small = simulate_population(3, seconds=25, sample_rate_hz=8000, n_bands=8, max_hz=4000.0)
    monkeypatch.setattr(which_model, "populations", lambda: {"three": lambda: small})
    linear = {name: lambda train, validation, seed: ridge(train, 5) for name in ("ridge", "again")}
    monkeypatch.setattr(which_model, "models", lambda recording: linear)
    options = ["--keep", str(tmp_path / "keep"), "--page", str(page)]
    which_model.main([*options, "--models", "ridge"])
    assert "old" in page.read_text()
    which_model.main(options)
    first = page.read_text()
    assert first.startswith("before\n")
    assert first.endswith("after\n")
    assert "old" not in first
    assert "| again | " in first
    assert "+0.000 (+0.000 to +0.000)" in first
    monkeypatch.setattr(which_model, "cross_validate", lambda *_, **__: pytest.fail("fitted again"))
    which_model.main(options)
    assert page.read_text() == first
    page.write_text("no markers")
    with pytest.raises(ValueError, match=r"page\.md must have the lines '<!-- table"):
        which_model.write(page, "")


def test_the_page_of_models_has_every_model_with_every_population():
    text = which_model.PAGE.read_text(encoding="utf-8")
    table = text.partition(which_model.BEGIN)[2].partition(which_model.END)[0]
    parts = table.split("### ")[1:]
    titles = [part.partition("\n")[0] for part in parts]
    assert titles[-2:] == list(which_model.populations())
    small = recipes_table.simulated(2, 10)
    for part in parts:
        rows = [line.split("|")[1].strip() for line in part.splitlines() if line.startswith("| ")]
        assert rows == ["model", *which_model.models(small)]
    assert "not run" not in text


def test_song_cells_hear_songs_without_sound_above_8_khz_and_every_model_has_a_row():
    made = [song_cells.song(np.random.default_rng(seed)) for seed in range(3)]
    assert len({len(one) for one in made}) == 3
    for one in made:
        power = np.abs(np.fft.rfft(one)) ** 2
        assert (
            power[np.fft.rfftfreq(len(one), 1 / song_cells.RATE_HZ) > song_cells.SONG_HZ + 1].sum() < 1e-9 * power.sum()
        )
    found = song_cells.cells(2, 12)
    assert [len(part) for part in found[:3]] == [8, 2, 2]
    assert bool((found.true_hz < song_cells.SONG_HZ).all())
    rows = song_cells.fitted(found, fitter=Fitter(epochs=1, progress=False))
    assert list(rows) == ["ridge", *song_cells.models(found.train)]
    for name, (r, off, estimate_off, held, named, seconds) in rows.items():
        assert r.shape == off.shape == estimate_off.shape == held.shape == named.shape == (2,), name
        assert bool((r > 0.2).all()), name
        assert bool((off >= 0).all()), name
        assert bool((estimate_off >= 0).all()), name
        assert seconds > 0
    # A field that is the truth lies on the truth.
    model = ridge(found.train, song_cells.LAGS)
    with torch.no_grad():
        kernel = model.readout.strf.kernel.weight
        kernel.zero_()
        at = [(found.train.cf_hz.log2() - hz.log2()).abs().argmin() for hz in found.true_hz]
        for n, band in enumerate(at):
            kernel[n, 0, band, 5] = 1.0
    assert bool(((song_cells.tuned_to(model, found.train)[0] / found.true_hz).log2().abs() < 0.2).all())


def test_every_recipe_of_left_out_sounds_has_its_row(tmp_path, capsys, monkeypatch):
    small = simulate_population(2, seconds=15, sample_rate_hz=8000, n_bands=8, max_hz=4000.0)
    monkeypatch.setattr(left_out_sounds, "RecordingFolder", lambda *_, **__: small)
    monkeypatch.setattr(left_out_sounds, "kernel_ridge", partial(kernel_ridge, n_points=50))
    left_out_sounds.main([str(tmp_path), "--folds", "2", "--models", "ridge", "kernel ridge"])
    rows = [line.split("|")[1].strip() for line in capsys.readouterr().out.splitlines()]
    assert rows == ["model", "---", "noise ceiling", "ridge", "kernel ridge"]
    for recipe, validation in left_out_sounds.recipes(small).values():
        assert callable(recipe)
        assert validation in (None, 0.2)


def test_a_public_recording_of_this_machine_is_read_in_its_layout(tmp_path):
    path = public_recordings.write(tmp_path, 3, 10)
    found = read_nems(path)
    assert (len(found.neuron_names), len(found), found.bins) == (3, 10, (150,) * 10)
    assert public_recordings.peak_mb(path, [0, 2]) < 200
