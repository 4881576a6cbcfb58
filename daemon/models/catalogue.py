"""Every checkpoint that depthwire knows: the built-in starter and all that were released for Depth Anything V2, with
where it comes from, its licence and its depth range. Imports no torch: front, worker and command line read it.

What a checkpoint is (metric or relative, its range) is decided here, by its name: the files themselves do not tell.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from depthwire.daemon.models.family import DEPTH_ANYTHING_V2, Family, FractionOfRange, InverseDepth, Meaning
from depthwire.protocol.messages import MAX_MODEL_INPUT_SIZE, MIN_MODEL_INPUT_SIZE, PATCH

APACHE = "Apache-2.0"
NON_COMMERCIAL = "CC-BY-NC-4.0"


class UnknownModel(KeyError):
    """No such model in the catalogue. The text lists what there is."""

    def __str__(self) -> str:  # KeyError shows its argument's repr, which is no text for a person
        return str(self.args[0])


class InvalidInputSize(ValueError):
    """A model input size that no model takes. The text gives the rule."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """One set of weights, and what must be known to find, load and use it.

    Each stands once in the catalogue and is compared by identity: it is part of the key that requests are queued by,
    and to compare or hash all fields for each look-up would cost more.
    """

    encoder: str
    """`vitt`, `vits`, `vitb`, `vitl`: the size of the network."""
    dataset: str
    """`starter`, `hypersim`, `vkitti`, or `relative` for those that give inverse depth."""
    file_name: str
    """The official name, by which it is found on disk."""
    hub_repository: str
    """`owner/name` on the hub; empty for a built-in checkpoint."""
    revision: str
    """Commit of the hub repository."""
    sha256: str | None
    """Checksum of the file, where it is known."""
    licence: str
    """SPDX identifier of the licence of the weights."""
    family: Family
    meaning: Meaning
    """What the network's output is, which the file does not tell."""
    default_input_size: int
    """model_input_size in pixels, where a request does not say."""
    size_bytes: int
    """Size of the file."""
    builtin: bool = False
    """Shipped inside this package."""
    note: str = ""
    """What a user should know before relying on it."""

    @cached_property
    def name(self) -> str:
        """`encoder_dataset`: what identifies the weights."""
        return f"{self.encoder}_{self.dataset}"

    @property
    def metric(self) -> bool:
        """Whether it answers in metres."""
        return self.meaning.is_metric

    @property
    def native_max_depth(self) -> float | None:
        """Metres that its range was trained for; None where it has no range."""
        return self.meaning.native_max_depth

    @property
    def non_commercial(self) -> bool:
        """The licence forbids commercial use."""
        return self.licence == NON_COMMERCIAL


@dataclass(frozen=True, order=True)
class ModelKey:
    """A checkpoint at one input size: what a request asks for. Written `encoder_dataset_size`."""

    encoder: str
    dataset: str
    size: int
    """model_input_size: the side of the network's input in pixels that the family is sized by, a multiple of 14."""

    def __str__(self) -> str:
        return f"{self.encoder}_{self.dataset}_{self.size}"


_STARTER = Checkpoint(
    encoder="vitt",
    dataset="starter",
    file_name="depthwire_starter_vitt.safetensors",
    hub_repository="",
    revision="",
    sha256=None,  # it comes with this package, whose own checksum covers it
    licence=APACHE,
    family=DEPTH_ANYTHING_V2,
    meaning=FractionOfRange(80.0),
    default_input_size=154,
    size_bytes=12_834_730,
    builtin=True,
    note=(
        "small starter model, trained on rendered scenes alone; on held-out ones AbsRel 0.69, δ1 0.31, after median "
        "alignment 0.47; on real photos it finds ground, walls, sky and large objects, not sizes: ordinal accuracy "
        "0.82 on hand-labelled pairs, where Depth Anything V2 Small is published at 0.95. "
        "Put an official checkpoint into the --checkpoints folder, or name one with --model, to replace it"
    ),
)

_MEANINGS: dict[str, Meaning] = {
    "hypersim": FractionOfRange(20.0),
    "vkitti": FractionOfRange(80.0),
    "relative": InverseDepth(),
}
_SIZES = {"vits": "Small", "vitb": "Base", "vitl": "Large"}
_NOTES = {
    "hypersim": "indoor scenes, 0…20 m",
    "vkitti": "outdoor driving scenes, 0…80 m; sky is not trained and comes out near 80 m",
    "relative": "inverse depth, known up to scale and shift: for rel_depth only",
}

# Commit, sha256 and size in bytes as published by projects that pin these files (every checksum by at least two; the
# hub itself shows the checksum as the file's LFS object id). The commits of
# vitb_hypersim and vitb_vkitti are from one source: should one be wrong the download fails, and cannot pass unnoticed.
# vitg was announced and never released: the network supports it, there is no file to list.
_RELEASED: dict[tuple[str, str], tuple[str, str, int]] = {
    ("vits", "hypersim"): (
        "3bc65d4e14a6786a61acec16453c50e12bf5f338",
        "b782898d8a3e8be1f639de33837ed85e9b4b73e40f8f5e5cd99067588d722545",
        99_222_290,
    ),
    ("vits", "vkitti"): (
        "c725b8589bdf6ab04072cab74c0467830db80d6d",
        "9203e538d35255c90dda4b7fedb47ff33fe725497bcca3b1e53b3a65ee63f0cb",
        99_221_808,
    ),
    ("vits", "relative"): (
        "03876f8651c73a60fe4c2c48294e09fcb6838fcf",
        "715fade13be8f229f8a70cc02066f656f2423a59effd0579197bbf57860e1378",
        99_218_434,
    ),
    ("vitb", "hypersim"): (
        "4ebcd7fd0858cbb953451619ca943ea39ec08e00",
        "9dc9e274c5eff55c6daf27b660c0ced0eca4e8593a6da90cdcb04d2b4d3f3fa2",
        389_965_138,
    ),
    ("vitb", "vkitti"): (
        "e96fd0c8cedf1825a55b9c61309f754982948df0",
        "4dad67a7cc10b462bca48e6b8569c762b8eb3c1adada170a3851a6d3ba37bb3e",
        389_964_656,
    ),
    ("vitb", "relative"): (
        "a4e71a6c2ce52fe50df0f212066b0d4a87be9b5e",
        "0d2b7002e62d39d655571c371333340bd88f67ab95050c03591555aa05645328",
        389_961_218,
    ),
    ("vitl", "hypersim"): (
        "79720800638389a78b2defc92caa885104f69974",
        "6f82ff2bc543ac02ddff4aa31fa363676a8305dd3ccf04e80e2af115a044cb6d",
        1_341_401_882,
    ),
    ("vitl", "vkitti"): (
        "070e97e4b80e317ec1d03c19927304f4091a180b",
        "239b1054a369e66da2576e9a118d6d7c12d90dc8ebe609579a9a09cd8e05fe38",
        1_341_401_064,
    ),
    ("vitl", "relative"): (
        "cbbb86a30ce19b5684b7a05155dc7e6cbc7685b9",
        "a7ea19fa0ed99244e67b624c72b8580b7e9553043245905be58796a608eb9345",
        1_341_395_338,
    ),
}


def _released(encoder: str, dataset: str, revision: str, sha256: str, size_bytes: int) -> Checkpoint:
    size = _SIZES[encoder]
    if dataset == "relative":
        repository, file_name = f"Depth-Anything-V2-{size}", f"depth_anything_v2_{encoder}.pth"
    else:
        hub_dataset = {"hypersim": "Hypersim", "vkitti": "VKITTI"}[dataset]
        repository = f"Depth-Anything-V2-Metric-{hub_dataset}-{size}"
        file_name = f"depth_anything_v2_metric_{dataset}_{encoder}.pth"
    return Checkpoint(
        encoder=encoder,
        dataset=dataset,
        file_name=file_name,
        hub_repository=f"depth-anything/{repository}",
        revision=revision,
        sha256=sha256,
        licence=APACHE if encoder == "vits" else NON_COMMERCIAL,  # the official README's terms, by model size
        family=DEPTH_ANYTHING_V2,
        meaning=_MEANINGS[dataset],
        default_input_size=518,
        size_bytes=size_bytes,
        note=_NOTES[dataset],
    )


CATALOGUE: tuple[Checkpoint, ...] = (
    _STARTER,
    *(_released(encoder, dataset, *pinned) for (encoder, dataset), pinned in _RELEASED.items()),
)
"""In order of preference: of several official checkpoints on disk, the first metric one becomes the default model."""

_BY_NAME = {(checkpoint.encoder, checkpoint.dataset): checkpoint for checkpoint in CATALOGUE}


def lookup(encoder: str, dataset: str) -> Checkpoint:
    """The checkpoint of an encoder and a dataset.

    Raises:
        UnknownModel: there is none.
    """
    try:
        return _BY_NAME[encoder, dataset]
    except KeyError:
        raise UnknownModel(
            f"no model {encoder}_{dataset}; there are {', '.join(checkpoint.name for checkpoint in CATALOGUE)}"
        ) from None


def model_key(encoder: str, dataset: str, size: int | None = None) -> ModelKey:
    """The key of a model, checked; without `size` at the checkpoint's own default input size.

    Raises:
        UnknownModel: no such checkpoint.
        InvalidInputSize: `size` is not a multiple of 14 between 56 and 1540.
    """
    checkpoint = lookup(encoder, dataset)
    if size is None:
        size = checkpoint.default_input_size
    if size % PATCH or not MIN_MODEL_INPUT_SIZE <= size <= MAX_MODEL_INPUT_SIZE:
        raise InvalidInputSize(
            f"model_input_size must be a multiple of {PATCH} between {MIN_MODEL_INPUT_SIZE} and "
            f"{MAX_MODEL_INPUT_SIZE}, got {size}"
        )
    return ModelKey(encoder, dataset, size)


def parse_model_key(text: str) -> ModelKey:
    """Read `encoder_dataset_size` or `encoder_dataset`: `vits_hypersim_518`, `vitt_starter`.

    Raises:
        UnknownModel: it has another form, or names no checkpoint.
        InvalidInputSize: as `model_key`.
    """
    match = re.fullmatch(r"([a-z]+)_([a-z]+)(?:_(0|[1-9][0-9]{0,5}))?", text)
    if match is None:
        raise UnknownModel(
            f"{text!r} is not a model; write encoder_dataset or encoder_dataset_size, with encoder_dataset one of "
            f"{', '.join(checkpoint.name for checkpoint in CATALOGUE)}"
        )
    encoder, dataset, size = match.groups()
    return model_key(encoder, dataset, None if size is None else int(size))
