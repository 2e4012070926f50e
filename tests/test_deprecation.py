"""Old names warn and work; unknown keywords are refused with the nearest right one."""

import importlib
import inspect
import sys

import pytest

import deepstrf
import deepstrf_widgets  # noqa: F401 - it has old paths too
from deepstrf.deprecation import _OldPaths as OldPaths
from deepstrf.deprecation import keywords, renamed


@keywords(folded="with_gain")
def show(neuron, *, with_gain=False, descending=False):
    return neuron, with_gain, descending


class Gallery:
    @keywords()
    def __init__(self, session, *, selected=0, **traits):
        self.traits = traits

    with_gain = 1
    folded = renamed("with_gain")


def test_an_unknown_keyword_names_the_nearest():
    with pytest.raises(TypeError, match=r"^show\(\) has no argument 'decending': did you mean 'descending'\?$"):
        show(0, decending=True)
    with pytest.raises(TypeError, match=r"^show\(\) has no argument 'colour'$"):
        show(0, colour=1)


def test_known_keywords_and_the_signature_stay():
    assert show(neuron=2, descending=True) == (2, False, True)
    assert list(inspect.signature(show).parameters) == ["neuron", "with_gain", "descending"]
    assert Gallery("s", layout=3).traits == {"layout": 3}


def test_keywords_for_another_function_are_checked_too():
    @keywords(show, folded="with_gain")
    def show_all(*, columns=3, **options):
        return columns, options

    assert show_all(columns=2, descending=True) == (2, {"descending": True})
    with pytest.raises(TypeError, match=r"show_all\(\) has no argument 'column': did you mean 'columns'\?"):
        show_all(column=2)
    with pytest.raises(TypeError, match=r"show_all\(\) has no argument 'decending': did you mean 'descending'\?"):
        show_all(decending=True)


def test_an_old_keyword_works_and_warns_at_the_call():
    with pytest.warns(DeprecationWarning, match=r"show\(folded=\) is called show\(with_gain=\) now") as caught:
        assert show(0, folded=True) == (0, True, False)
    assert caught[0].filename == __file__
    with pytest.raises(TypeError, match=r"show\(\) takes with_gain or its old name folded, got both"):
        show(0, folded=True, with_gain=True)


def test_an_old_attribute_is_the_new_one_and_warns_at_its_use():
    gallery = Gallery("s")
    with pytest.warns(DeprecationWarning, match=r"Gallery.folded is called Gallery.with_gain now") as caught:
        gallery.folded = 5
    assert caught[0].filename == __file__
    with pytest.warns(DeprecationWarning, match="folded is called") as caught:
        assert gallery.folded == gallery.with_gain == 5
    assert caught[0].filename == __file__


OLD_PATHS = {
    "deepstrf.models.construction": ("deepstrf.models.checkpoints.construction", "Construction"),
    "deepstrf.models.gradient_maps": ("deepstrf.models.audio.gradient_maps", "spectrogram_gradients"),
    "deepstrf.utils": ("deepstrf.models.checkpoints", "CONFIG_FILE"),
    "deepstrf.utils.file_set": ("deepstrf.models.checkpoints.atomic_files", "replace_files"),
    "deepstrf.utils.hub": ("deepstrf.models.checkpoints", "save_pretrained_to_dir"),
    "deepstrf.utils.model_card": ("deepstrf.models.checkpoints.model_card", "write_model_card"),
    "deepstrf_widgets.changes": ("deepstrf_widgets.session", "Change"),
    "deepstrf_widgets.confidence": ("deepstrf_widgets.figures", "Confidence"),
    "deepstrf_widgets.diagnosis": ("deepstrf_widgets.explorer.diagnosis", "DiagnosisView"),
    "deepstrf_widgets.editor": ("deepstrf_widgets.bench", "STRFEditor"),
    "deepstrf_widgets.edits": ("deepstrf_widgets.session.serialization", "restore_state"),
    "deepstrf_widgets.gallery_view": ("deepstrf_widgets.neuron_gallery", "gallery"),
    "deepstrf_widgets.own_sounds": ("deepstrf_widgets.stimulus.catalogue", "synthetic_sound"),
    "deepstrf_widgets.page": ("deepstrf_widgets.bench", "save_html"),
    "deepstrf_widgets.parameters": ("deepstrf_widgets.session.parameters", "Parameter"),
    "deepstrf_widgets.response": ("deepstrf_widgets.bench", "ResponseView"),
    "deepstrf_widgets.spectrogram_painter": ("deepstrf_widgets.stimulus", "SpectrogramPainter"),
    "deepstrf_widgets.stimulus_panel": ("deepstrf_widgets.stimulus", "StimulusPanel"),
    "deepstrf_widgets.training_view": ("deepstrf_widgets.training", "train"),
    "deepstrf_widgets.tuning_table": ("deepstrf_widgets.neuron_gallery.tuning_table", "TuningTable"),
    "deepstrf_widgets.units": ("deepstrf_widgets.session.units", "hz_to_band"),
}


@pytest.mark.parametrize("old", OLD_PATHS)
def test_an_old_module_path_gives_the_same_objects_and_warns_at_the_import(old):
    new, name = OLD_PATHS[old]
    with pytest.warns(
        DeprecationWarning, match=rf"^{old}\.{name} is called {new}\.{name} now and goes in 0\.3$"
    ) as caught:
        exec(f"from {old} import {name} as thing", found := {"__name__": __name__})
    assert found["thing"] is getattr(importlib.import_module(new), name)
    assert caught[0].filename == "<string>"


def test_every_old_module_path_is_tested():
    homes = {old: new for finder in sys.meta_path if isinstance(finder, OldPaths) for old, new in finder.homes.items()}
    assert homes == {old: new for old, (new, _) in OLD_PATHS.items()}


def test_old_module_paths_as_attributes_and_with_a_star():
    with pytest.warns(DeprecationWarning, match=r"deepstrf\.utils\.hub\.CONFIG_FILE"):
        assert deepstrf.utils.hub.CONFIG_FILE == "config.json"
    with pytest.warns(DeprecationWarning, match=r"deepstrf\.utils\.hub\.\w+"):
        exec("from deepstrf.utils.hub import *", found := {})
    assert found["load_pretrained_from_dir"] is deepstrf.models.checkpoints.load_pretrained_from_dir
    with pytest.raises(AttributeError, match="nothing"):
        _ = deepstrf.utils.hub.nothing
    with pytest.raises(ModuleNotFoundError, match=r"deepstrf\.utils\.other"):
        importlib.import_module("deepstrf.utils.other")
