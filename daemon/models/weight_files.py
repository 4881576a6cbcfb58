"""Files of weights as trainings write them, read without running code in them: the tensors by the network's own names.

`depth_anything.load_state` reads through it. Three forms: safetensors; a .pth with the tensors, as the official weights
come; and a .pth with them among a run's other state, as Depth Anything V2's own train.py saves it.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

_HOLDERS = ("model", "state_dict", "model_state_dict")
"""Where a run's state has the network's weights: train.py's name first."""

_PREFIXES = ("module.", "_orig_mod.", "model.")
"""What training puts before every name: several processes (train.py), torch.compile, Lightning."""

_MAX_NAMES = 6


class WrongCheckpoint(ValueError):
    """A checkpoint file cannot be read, or holds the weights of another network. The text names the file."""


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by name, on the CPU, in the precision that it has.

    No code in the file is run (`weights_only`). What else a training saved (optimizer, epoch) is left out.

    Raises:
        WrongCheckpoint: the file cannot be read, or has no weights where they are looked for.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise WrongCheckpoint(
            f"cannot load checkpoint {path}: it cannot be read ({error.strerror or error}); see to its permissions and "
            "its disk"
        ) from error
    except Exception as error:
        # torch and safetensors raise a dozen different types, and torch advises to run what code the file may hold.
        if (foreign := _foreign_object(error)) is not None:
            raise WrongCheckpoint(
                f"cannot load checkpoint {path}: beside weights it holds {foreign}, which only running code of the "
                "file would bring back, and that is never done; save the weights alone where it was trained, by "
                "torch.save(model.state_dict(), FILE)"
            ) from error
        raise WrongCheckpoint(
            f"cannot load checkpoint {path}: it is damaged, cut off or no file of weights ({path.stat().st_size} "
            f"bytes, {type(error).__name__}); replace it, or delete it to have an official one downloaded again"
        ) from error
    return _unwrapped(content, path)


def _unwrapped(content: object, path: Path) -> dict[str, Tensor]:
    """The weights among what a training saved, by the names that they have without it."""
    holder = next((n for n in _HOLDERS if isinstance(content, Mapping) and isinstance(content.get(n), Mapping)), None)
    if isinstance(content, Mapping) and holder is not None:
        content = content[holder]
    if not isinstance(content, Mapping) or not content or not all(map(_is_weight, content.items())):
        raise WrongCheckpoint(
            f"cannot load checkpoint {path}: {_what(content)} is no network's weights; they are looked for at the top "
            f"and, as fine-tuned checkpoints have them, under {' or '.join(map(repr, _HOLDERS))}. Save the weights "
            "alone, by torch.save(model.state_dict(), FILE)"
        )
    weights = dict(content)
    while (prefix := _common_prefix(weights)) is not None:
        weights = {name.removeprefix(prefix): value for name, value in weights.items()}
    return weights


def _is_weight(item: tuple[Any, Any]) -> bool:
    return isinstance(item[0], str) and isinstance(item[1], Tensor)


def _common_prefix(weights: Mapping[str, Tensor]) -> str | None:
    return next((prefix for prefix in _PREFIXES if all(name.startswith(prefix) for name in weights)), None)


def _what(content: object) -> str:
    if not isinstance(content, Mapping):
        return f"a {type(content).__name__}"
    names = [repr(name)[:40] for name in content]
    return f"what it holds ({', '.join(names[:_MAX_NAMES])}{', …' if len(names) > _MAX_NAMES else ''})"


def _foreign_object(error: Exception) -> str | None:
    """The type in a whole .pth file that torch would have to run code for, by torch's own words."""
    if not isinstance(error, pickle.UnpicklingError):
        return None
    match = re.search(r"GLOBAL ([\w.]+)", str(error))
    return match and match[1]
