"""Old names warn and work; unknown keywords are refused with the nearest right one."""

import inspect

import pytest

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
