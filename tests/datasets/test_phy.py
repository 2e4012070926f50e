"""Folders of Kilosort and Phy with a table of onsets, written by the tests."""

import numpy as np
import pytest
import soundfile

from deepstrf.datasets import read_phy
from tests.datasets.conftest import RATE_HZ, SETTINGS, sound

SAMPLES_HZ = 30000
ONSETS = [(10.0, "a.wav"), (12.0, "b.wav"), (14.0, "a.wav")]
OPTIONS = SETTINGS | {"dt_ms": 5.0}
# Offsets (s) from each onset of the spikes of each cluster.
SPIKES = {3: [[0.021, 0.11], [0.2], [0.3, 0.301]], 7: [[0.05], [], [0.4]], 9: [[0.1], [0.1], [0.1]]}
GROUPS = {3: "good", 7: "good", 9: "mua"}


def write(folder, *, column=False, kind=np.uint64, events=None, labels="cluster_group.tsv", params=True):
    (folder / "stimuli").mkdir(parents=True)
    for name, seconds in (("a", 0.5), ("b", 0.25)):
        soundfile.write(folder / "stimuli" / f"{name}.wav", sound(seconds), RATE_HZ, subtype="FLOAT")
    all_spikes = sorted(
        (round((onset + t) * SAMPLES_HZ), cluster)
        for cluster, offsets in SPIKES.items()
        for (onset, _), own in zip(ONSETS, offsets, strict=True)
        for t in (*own, 0.8)  # between the sounds
    )
    times, clusters = (np.array(x) for x in zip(*all_spikes, strict=True))
    np.save(folder / "spike_times.npy", times.astype(kind)[:, None] if column else times.astype(kind))
    np.save(folder / "spike_clusters.npy", clusters.astype(np.int32))
    if labels:
        rows = "".join(f"{c}\t{g}\n" for c, g in GROUPS.items())
        (folder / labels).write_text(f"cluster_id\tgroup\n{rows}")
    if params:
        (folder / "params.py").write_text(f"dat_path = r'x.bin'\nsample_rate = {SAMPLES_HZ}.\nhp_filtered = False\n")
    (folder / "events.csv").write_text(
        events or "onset_s,stimulus\n" + "".join(f"{onset},{name}\n" for onset, name in ONSETS)
    )
    return folder


def bins(found, neuron, stimulus, trial):
    n, b = found.neuron_names.index(neuron), found.stimulus_names.index(stimulus)
    return found[b][1][n, trial].nonzero().flatten().tolist()


@pytest.mark.parametrize("column", [True, False])
@pytest.mark.parametrize("labels", ["cluster_group.tsv", "cluster_info.tsv"])
def test_good_clusters_in_the_sounds_of_the_table(column, labels, tmp_path):
    path = write(tmp_path / "p", column=column, labels=labels)
    found = read_phy(path, events=path / "events.csv", **OPTIONS)
    assert (found.neuron_names, found.stimulus_names) == (("3", "7"), ("a", "b"))
    assert [bins(found, "3", "a", r) for r in (0, 1)] == [[4, 22], [60]]
    assert found[0][1][0, 1, 60] == 2
    assert bins(found, "3", "b", 0) == [40]
    assert [bins(found, "7", "a", r) for r in (0, 1)] == [[10], [80]]
    assert found[1][1][1, 0].tolist() == [0.0] * 50  # recorded, and silent
    assert bool(found[1][1][:, 1].isnan().all())  # b was played once


def test_groups_units_and_sounds(tmp_path):
    path = write(tmp_path / "p")
    events = path / "events.csv"
    assert read_phy(path, events=events, groups=None, **OPTIONS).neuron_names == ("3", "7", "9")
    assert read_phy(path, events=events, groups="mua", **OPTIONS).neuron_names == ("9",)
    assert read_phy(path, events=events, units=[7], sounds="a", **OPTIONS).stimulus_names == ("a",)
    for options, message in (
        ({"groups": "best"}, r"groups must be among those .*\['good', 'mua'\], got \['best'\]"),
        ({"units": [9]}, r"units must be among those of .*\['3', '7'\], got '9'"),
        ({"sounds": ["c"]}, "sounds must be among"),
    ):
        with pytest.raises(ValueError, match=message):
            read_phy(path, events=events, **options, **OPTIONS)


def test_onsets_in_samples_in_any_order_and_a_stop(tmp_path):
    rows = [f"{round(onset * SAMPLES_HZ)};{name};{round((onset + 0.2) * SAMPLES_HZ)}" for onset, name in ONSETS[::-1]]
    path = write(tmp_path / "p", events="\n".join(["Onset Samples;Stimulus;end_samples", *rows]))
    found = read_phy(path, events=path / "events.csv", onset="Onset Samples", stop="end_samples", **OPTIONS)
    a = found[found.stimulus_names.index("a")][1][0]
    assert [one[:40].nonzero().flatten().tolist() for one in a] == [[4, 22], []]
    assert bool(a[:, 40:].isnan().all())  # not recorded, which is not zero
    assert not bool(a[:, :40].isnan().any())


def test_clocks_that_cannot_be_one_are_refused(tmp_path):
    samples = "onset_s,stimulus\n" + "".join(f"{round(onset * SAMPLES_HZ)},{name}\n" for onset, name in ONSETS)
    path = write(tmp_path / "p", events=samples)
    with pytest.raises(
        ValueError, match=r"events\.csv: the onsets, 300000 to 420000 s, must be on the clock of the spi"
    ):
        read_phy(path, events=path / "events.csv", **OPTIONS)
    path = write(tmp_path / "q", events="onset_s,stimulus\n10,a.wav\n500,a.wav\n")
    with pytest.warns(UserWarning, match=r"1 of 2 presentations \(first in row 3\) begin after the last spike of all"):
        read_phy(path, events=path / "events.csv", **OPTIONS)
    path = write(tmp_path / "r", events="onset_s,stimulus\n12,b.wav\n")
    with pytest.warns(UserWarning, match=r"1 of 2 clusters have no spike within a sound: \['7'\]"):
        read_phy(path, events=path / "events.csv", **OPTIONS)


def test_what_is_missing_or_damaged_is_refused_with_the_way_out(tmp_path):
    path = write(tmp_path / "a", params=False)
    with pytest.raises(ValueError, match=r"params\.py is missing, .* give sample_rate_hz="):
        read_phy(path, events=path / "events.csv", **OPTIONS)
    assert read_phy(path, events=path / "events.csv", sample_rate_hz=SAMPLES_HZ, **OPTIONS).neuron_names == ("3", "7")
    (path / "params.py").write_text("sample_rate = __import__('os').getpid()\n")
    with pytest.raises(ValueError, match=r"params\.py must say sample_rate = a number: give sample_rate_hz="):
        read_phy(path, events=path / "events.csv", **OPTIONS)
    path = write(tmp_path / "b", labels=None)
    with pytest.raises(ValueError, match=r"with the groups of the clusters: groups=None reads all"):
        read_phy(path, events=path / "events.csv", **OPTIONS)
    path = write(tmp_path / "c")
    np.save(path / "spike_times.npy", np.array([0.5, 1.25]))
    with pytest.raises(ValueError, match=r"spike_times\.npy must hold whole numbers .* are they seconds\?"):
        read_phy(path, events=path / "events.csv", **OPTIONS)
    np.save(path / "spike_times.npy", np.array([1, 2]))
    with pytest.raises(ValueError, match=r"must be equally long, got 2 and \d+"):
        read_phy(path, events=path / "events.csv", **OPTIONS)
    (path / "spike_times.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(ValueError, match=r"spike_times\.npy cannot be read"):
        read_phy(path, events=path / "events.csv", **OPTIONS)
    (path / "spike_times.npy").unlink()
    with pytest.raises(FileNotFoundError, match=r"spike_times\.npy is missing"):
        read_phy(path, events=path / "events.csv", **OPTIONS)


@pytest.mark.parametrize(
    ("events", "options", "error", "message"),
    [
        ("onset_s,stimulus\n", {}, ValueError, "events.csv holds no row"),
        ("onset_s,stimulus\n10,c.wav\n", {}, FileNotFoundError, r"row 2: there is no sound .*c\.wav"),
        ("onset_s,stimulus\n10,a\n10,a\n", {}, ValueError, r"row 3 repeats another: a at 10 s"),
        ("onset_s,stimulus,end_s\n10,a,9\n", {"stop": "end_s"}, ValueError, "row 2: end_s must lie after onset_s"),
        ("time,stimulus\n10,a\n", {}, ValueError, "lacks the column 'onset_s'"),
    ],
)
def test_rows_of_the_table_that_are_refused(events, options, error, message, tmp_path):
    path = write(tmp_path / "a", events=events)
    with pytest.raises(error, match=message):
        read_phy(path, events=path / "events.csv", **options, **OPTIONS)


def test_spike_times_and_parameters_that_cannot_be_parsed_are_refused_by_name(tmp_path):
    folder = write(tmp_path / "a")
    kept = (folder / "spike_times.npy").read_bytes()
    (folder / "spike_times.npy").write_bytes(b"\x93NUMPY\x01\x00\x05\x00((((\n")
    with pytest.raises(ValueError, match=r"spike_times\.npy cannot be read as a NumPy file"):
        read_phy(folder, events=folder / "events.csv", **OPTIONS)
    (folder / "spike_times.npy").write_bytes(kept)
    (folder / "params.py").write_text("sample_rate = " + "(" * 5000)
    with pytest.raises(ValueError, match=r"params\.py must say sample_rate = a number"):
        read_phy(folder, events=folder / "events.csv", **OPTIONS)


def test_sounds_that_begin_before_another_has_ended_are_counted(tmp_path):
    path = write(tmp_path / "p", events="onset_s,stimulus\n10,a.wav\n10.2,b.wav\n14,a.wav\n")
    with pytest.warns(UserWarning, match=r"events\.csv: 1 of 3 sounds begin before another one has ended, and spikes"):
        read_phy(path, events=path / "events.csv", **OPTIONS)
    path = write(tmp_path / "q", events="onset_s,stop_s,stimulus\n10,10.2,a.wav\n10.2,11,b.wav\n14,15,a.wav\n")
    read_phy(path, events=path / "events.csv", stop="stop_s", **OPTIONS)  # ended in time
