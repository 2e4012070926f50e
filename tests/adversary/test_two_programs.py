"""Some seconds of two programs that save into one folder and two that read it."""

import pytest

from tests.adversary.two_programs import savers_and_readers


@pytest.mark.slow
def test_a_reader_gets_one_whole_version_and_a_saver_waits(tmp_path):
    counts = savers_and_readers(tmp_path / "model", 3.0)
    assert (counts["mixed"], counts["failed saves"], counts["failed reads"]) == (0, 0, 0)
    assert counts["saves"] > 20
    assert counts["reads"] > 20
