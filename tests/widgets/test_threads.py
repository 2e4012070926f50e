"""One thread and short turns inside, as before outside, whoever else is inside."""

import sys
import threading

import pytest
import torch

from deepstrf_widgets import threads as counted
from deepstrf_widgets.threads import TURN_S, one_thread, short_turns


def test_two_threads_that_overlap_leave_the_number_of_threads_as_it_was(monkeypatch):
    """The second one entered with the first one's 1 as "before", and left it there for good."""
    monkeypatch.setattr(counted, "_THREADS", counted._Threads())  # a player of another test may be inside
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    first_is_in, second_is_in, first_is_out = threading.Event(), threading.Event(), threading.Event()
    seen = []

    def first():
        with one_thread():
            seen.append(torch.get_num_threads())
            first_is_in.set()
            second_is_in.wait(10)
        first_is_out.set()

    def second():
        first_is_in.wait(10)
        with one_thread():
            seen.append(torch.get_num_threads())
            second_is_in.set()
            first_is_out.wait(10)
        seen.append(torch.get_num_threads())

    def after():
        seen.append(torch.get_num_threads())

    try:
        for work in ((first, second), (after,)):
            threads = [threading.Thread(target=one) for one in work]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert seen == [1, 1, 3, 3]
    finally:
        torch.set_num_threads(before)


def test_an_error_inside_leaves_the_number_too():
    before = torch.get_num_threads()
    try:
        with one_thread(), one_thread():
            raise KeyError
    except KeyError:
        pass
    assert torch.get_num_threads() == before


def test_a_block_within_another_leaves_it_its_one_thread(monkeypatch):
    """A fit, which is inside all along, ran on with as many threads as before after the first picture of it."""
    monkeypatch.setattr(counted, "_THREADS", counted._Threads())
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    seen = []

    def both():
        with one_thread():
            with one_thread():
                pass
            seen.append(torch.get_num_threads())
        seen.append(torch.get_num_threads())

    try:
        thread = threading.Thread(target=both)
        thread.start()
        thread.join()
        assert seen == [1, 3]
    finally:
        torch.set_num_threads(before)


@pytest.fixture
def interval():
    """A switch interval of 4 ms, and the one of before afterwards."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.004)
    yield
    sys.setswitchinterval(before)


def test_turns_are_short_inside_and_as_before_after_the_last_one_also_after_an_interrupt(interval):
    with short_turns():
        with pytest.raises(KeyboardInterrupt), short_turns():
            raise KeyboardInterrupt
        assert sys.getswitchinterval() == pytest.approx(TURN_S)
    assert sys.getswitchinterval() == pytest.approx(0.004)


def test_two_that_overlap_leave_the_interval_as_it_was(interval):
    first, second = short_turns(), short_turns()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert sys.getswitchinterval() == pytest.approx(TURN_S)
    second.__exit__(None, None, None)
    assert sys.getswitchinterval() == pytest.approx(0.004)


def test_an_interval_of_the_user_stays_and_a_shorter_one_is_not_made_longer(interval):
    with short_turns():
        sys.setswitchinterval(0.002)
    assert sys.getswitchinterval() == pytest.approx(0.002)
    sys.setswitchinterval(0.0001)
    shorter = sys.getswitchinterval()
    with short_turns():
        assert sys.getswitchinterval() == shorter
    assert sys.getswitchinterval() == shorter
