"""What weights are worth: scores on the held-out scenes, and sheets of pictures for a person to look at.

`depthwire-train evaluate` calls `evaluate`; every picture takes the daemon's own way through the network.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from depthwire.daemon.models.depth_anything import DepthAnythingV2, build
from depthwire.daemon.models.weight_files import WrongCheckpoint
from depthwire.training.metrics import Scores, mean_scores, score
from depthwire.training.network import ENCODER, UnusableWeights
from depthwire.training.prediction import Floats, HeldOut, held_out_pictures, predict
from depthwire.training.preview import depth_colours
from depthwire.training.sampling import NoPictures
from depthwire.training.shards import SUFFIX, find_shards

TARGETS = (
    ("δ1 after median alignment", "all", "delta1_aligned", 0.90, True),
    ("AbsRel indoors", "indoors", "abs_rel", 0.20, False),
    ("AbsRel outdoors below 40 m", "outdoors", "abs_rel_near", 0.30, False),
)
"""What the starter is to reach: name, group, score, limit, whether more is better."""
WITHOUT_SCALE = frozenset({"still life"})
"""Held-out layouts whose sizes are drawn at random, so that no picture could tell them: they have rows of their own."""
PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png")

_COLUMNS = {
    "abs_rel": "AbsRel",
    "abs_rel_near": "AbsRel < 40 m",
    "rmse": "RMSE (m)",
    "delta1": "δ1",
    "delta1_aligned": "δ1 aligned",
    "ordinal": "ordinal",
    "prior": "by rows alone",
    "ordinal_hard": "where rows mislead",
}
_CELL_HEIGHT_PX = 180
_SHEET_ROWS = 12
_SHEET_COLUMNS = 2
_GAP_PX = 6


@dataclass(frozen=True)
class Row:
    """The scores of a group of pictures."""

    group: str
    pictures: int
    means: dict[str, float]


def evaluate(weights: Path, held_out: Path | None, photos: Path | None, out: Path, input_size: int) -> str:
    """Score weights and draw sheets into `out`: scores.json, scores.md, held-out.png, photos.png.

    Returns the Markdown table; empty without a held-out set.

    Raises:
        UnusableWeights: the file holds no weights of this network.
        NoPictures: a folder is empty.
    """
    try:
        model = build(ENCODER, metric=True, path=weights)
    except WrongCheckpoint as error:
        raise UnusableWeights(str(error)) from error
    out.mkdir(parents=True, exist_ok=True)
    if photos is not None:
        write_png(out / "photos.png", _photo_sheet(model, photos, input_size))
    if held_out is None:
        return ""
    pictures = held_out_pictures(find_shards(held_out))
    if not pictures:
        raise NoPictures(
            f"no picture in {held_out} (*{SUFFIX}); make them with depthwire-train render --held-out --out {held_out}"
        )
    depths = [predict(model, picture.rgb, input_size) for picture in tqdm(pictures, unit="picture", leave=False)]
    scores = [
        score(depth, picture.truth, np.random.default_rng([2, picture.number]))
        for depth, picture in zip(depths, pictures, strict=True)
    ]
    rows = group_rows(pictures, scores)
    table = markdown(rows)
    (out / "scores.md").write_text(table)
    (out / "scores.json").write_text(
        json.dumps({row.group: {"pictures": row.pictures, **row.means} for row in rows}, indent=1)
    )
    write_png(out / "held-out.png", _held_out_sheet(pictures, depths))
    return table


def group_rows(pictures: Sequence[HeldOut], scores: Sequence[Scores]) -> list[Row]:
    """All pictures whose sizes are plausible, those of them indoors and outdoors, and each kind of scene."""
    groups: dict[str, list[Scores]] = {"all": [], "indoors": [], "outdoors": []}
    for picture, entry in zip(pictures, scores, strict=True):
        wide = () if picture.kind in WITHOUT_SCALE else ("all", "outdoors" if picture.outdoors else "indoors")
        for group in (*wide, picture.kind):
            groups.setdefault(group, []).append(entry)
    return [Row(group, len(entries), mean_scores(entries)) for group, entries in groups.items() if entries]


def markdown(rows: Sequence[Row]) -> str:
    """The scores as a table, and below it each target with what is reached."""
    lines = [
        "| scenes | pictures | " + " | ".join(_COLUMNS.values()) + " |",
        "|---|---:|" + "---:|" * len(_COLUMNS),
    ]
    for row in rows:
        cells = (f"{row.means[name]:.3f}" if np.isfinite(row.means[name]) else "–" for name in _COLUMNS)
        lines.append(f"| {row.group} | {row.pictures} | " + " | ".join(cells) + " |")
    lines.append("")
    means = {row.group: row.means for row in rows}
    for name, group, metric, limit, more in TARGETS:
        reached = means.get(group, {}).get(metric, float("nan"))
        if np.isfinite(reached):
            verdict = "met" if (reached >= limit if more else reached <= limit) else "not met"
            lines.append(f"- {name}: {reached:.3f}, target {'≥' if more else '≤'} {limit:.2f}: {verdict}")
    return "\n".join(lines) + "\n"


def write_png(path: Path, rgb: NDArray[np.uint8]) -> None:
    """Write an RGB picture (H, W, 3)."""
    _, data = cv2.imencode(".png", rgb[:, :, ::-1])
    path.write_bytes(data.tobytes())


def _photo_sheet(model: DepthAnythingV2, folder: Path, input_size: int) -> NDArray[np.uint8]:
    """Each photo beside its depth."""
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in PHOTO_SUFFIXES)
    if not paths:
        raise NoPictures(f"no photo in {folder} ({', '.join(PHOTO_SUFFIXES)}); name a folder that has some")
    strips = []
    for path in paths:
        bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if bgr is None:
            raise NoPictures(f"cannot decode {path}; take it out of the folder")
        rgb = np.asarray(bgr[:, :, ::-1], np.uint8)
        strips.append(_strip([rgb, depth_colours(predict(model, rgb, input_size))], height=2 * _CELL_HEIGHT_PX))
    return _stacked(strips)


def _held_out_sheet(pictures: Sequence[HeldOut], depths: Sequence[Floats]) -> NDArray[np.uint8]:
    """Picture, truth and prediction of pictures spread over the set; each depth in its own scale."""
    count = _SHEET_ROWS * _SHEET_COLUMNS
    chosen = np.unique(np.linspace(0, len(pictures) - 1, count).round().astype(int))
    strips = [
        _strip([pictures[index].rgb, depth_colours(pictures[index].truth), depth_colours(depths[index])])
        for index in chosen
    ]
    columns = [_stacked(strips[start::_SHEET_COLUMNS]) for start in range(min(_SHEET_COLUMNS, len(strips)))]
    return _side_by_side(columns)


def _strip(panels: Sequence[NDArray[np.uint8]], height: int = _CELL_HEIGHT_PX) -> NDArray[np.uint8]:
    return _side_by_side(
        [
            np.asarray(
                cv2.resize(
                    np.ascontiguousarray(panel),
                    (round(panel.shape[1] * height / panel.shape[0]), height),
                    interpolation=cv2.INTER_AREA,
                ),
                np.uint8,
            )
            for panel in panels
        ]
    )


def _side_by_side(panels: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(_stacked([panel.transpose(1, 0, 2) for panel in panels]).transpose(1, 0, 2))


def _stacked(panels: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """One below the other on white, with gaps."""
    width = max(panel.shape[1] for panel in panels)
    sheet = np.full((sum(panel.shape[0] + _GAP_PX for panel in panels) - _GAP_PX, width, 3), 255, np.uint8)
    top = 0
    for panel in panels:
        sheet[top : top + panel.shape[0], : panel.shape[1]] = panel
        top += panel.shape[0] + _GAP_PX
    return sheet
