"""What the exercises of "What is in a checkpoint" expect."""

import warnings

import numpy as np
import torch

from deepstrf.models.audio import LinearNonlinear

from .checking import Question, wanted
from .lesson import Lesson

lesson = Lesson(8)
check, grade, solution = lesson.check, lesson.grade, lesson.solution


@lesson.exercise("bytes", "file_bytes", stumble="(b): the batch norm keeps more than it learns.")
def _(file_bytes, raw, header_bytes, model):
    number_bytes = len(raw) - 8 - header_bytes
    learnt = 4 * model.count_trainable_params()
    assert number_bytes - learnt == sum(tensor.numel() * tensor.element_size() for tensor in model.buffers())
    return Question(
        file_bytes,
        "b" if number_bytes == learnt else "c" if number_bytes > learnt else "a",
        hints=(
            "Which names in the table above are not things that a fit changes by gradient?",
            "Look at the tensors of the batch norm, readout.bn: mean and variance are counted, not learnt.",
        ),
        because=f"{number_bytes} bytes against {learnt}: the batch norm keeps a mean and a variance of "
        "each neuron's drive, and counts its batches.",
    )


@lesson.exercise(
    "read_tensor", "read_tensor", kind="function", points=2, stumble="Forgetting the 8 bytes before the header."
)
def _(read_tensor, model):
    names = ("readout.strf.kernel.weight", "readout.strf.kernel.P", "readout.bn.weight")
    return Question(
        read_tensor(names[0]),
        lambda array: all(np.array_equal(read_tensor(name), model.state_dict()[name].numpy()) for name in names),
        hints=(
            "header[name]['data_offsets'] is (first, last) byte, counted from the end of the header.",
            "The numbers begin at byte 8 + header_bytes of the file.",
            "np.frombuffer gives a flat array: reshape it to header[name]['shape'].",
        ),
        because="The same numbers, to the last bit, in a few lines, and without trusting any library.",
    )


@lesson.exercise("damage", "is_refused", stumble="(b): no sum of the numbers is kept in the file.")
def _(is_refused, refused, refusal, cut):
    return Question(
        is_refused,
        {("cut",): "a", ("cut", "flipped"): "b", ("cut", "flipped", "bare"): "c"}[tuple(refused)],
        hints=(
            "The table of files says which of them from_pretrained reads.",
            "The header tells how many bytes there must be. Does anything in the file tell which ones?",
        ),
        because="The header knows how long the file must be, so a cut file is refused. No sum of the "
        f"numbers is kept, so a flipped bit is not noticed.\n{refusal(cut)}",
    )


@lesson.exercise(
    "fingerprint", "fingerprint", kind="function", points=2, stumble="Leaving out names, or the buffers of the batch norm."
)
def _(fingerprint, model, folder, wrong, again):
    def renamed():
        """A model with the same numbers, two tensors of which have changed places."""
        other, bn = LinearNonlinear.from_pretrained(folder), model.readout.bn
        other.readout.bn.weight.data, other.readout.bn.bias.data = bn.bias.data, bn.weight.data
        return other

    def one_bit(name):
        """The model after one bit of one of its tensors has changed."""
        other = LinearNonlinear.from_pretrained(folder)
        other.state_dict()[name].numpy().reshape(-1).view(np.uint8)[0] ^= 1
        return other

    def tells_apart(text):
        others = [wrong, renamed(), *map(one_bit, model.state_dict())]
        return text == fingerprint(again) and len({text, *map(fingerprint, others)}) == 1 + len(others)

    return Question(
        fingerprint(model),
        tells_apart,
        hints=(
            "model.state_dict() has every tensor by its name, those of the batch norm too; a loaded model must "
            "give the same text.",
            "Two tensors that change places must change the text too: let the names enter the sum.",
            "total = hashlib.sha256(), then total.update(name.encode()) and "
            "total.update(tensor.numpy().tobytes()) for each tensor.",
        ),
        because="Saved and loaded: the same; one bit anywhere, or two tensors that changed places: another.",
    )


@lesson.exercise("old format", "my_modules", kind="list", stumble="One input channel: ON and OFF are two.")
def _(my_modules, old, sound, model):
    def brings_it_back(modules):
        if not isinstance(modules, dict):
            return wanted("the dict of the cell above", modules)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the modules that were given again, which is what is wanted here
            loaded = LinearNonlinear.from_pretrained(old, extra_kwargs=modules)
        with torch.no_grad():
            return torch.equal(loaded(sound), model(sound))

    return Question(
        my_modules,
        brings_it_back,
        hints=(
            "config.json of the new folder, printed further up, names the two classes.",
            "ParametricSTRF(F, T, C_in, C_out, num_gaussians=...): C_in is 2, since the prefilter makes ON and OFF.",
            'make_prefiltering("adaptrans", 34, 5.0, 500.0, 20000.0) makes the prefilter.',
        ),
        because="The old folder gives the same receptive fields and the same response, to the last bit.",
    )
