"""The page: what each part shows, in the order a reviewer asks for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from retinaforge.core.artefacts import write_text
from retinaforge.reports import charts, curves, pictures, words
from retinaforge.reports.board import KEY_MEASURES, Board, arms_of, board_of, label
from retinaforge.reports.encoder_table import encoder_table
from retinaforge.reports.page_templates import page_template
from retinaforge.reports.run_files import RunFiles, TrainingRun, read_run
from retinaforge.reports.tables import dataset_tables, judge_tables, table_of, verdict_rows

VERDICT = ("dice", "cldice", "recall_thin", "edge_sharpness", "calibre_error", "psnr", "ssim")
SMALL_N, FEW_PATIENTS = 20, 20


def write_report(run_folder: Path) -> Path:
    """Write report.html into a run folder: one file, nothing fetched from anywhere.

    Args:
        run_folder: as `retinaforge study run --out` left it; parts may be missing, which the
            page then says.

    Returns:
        Path of the page.

    Raises:
        Refusal: "expected a run folder with at least one of ...; got ...".
    """
    return write_text(run_folder / "report.html", page_of(read_run(run_folder)))


def page_of(run: RunFiles) -> str:
    """Return the page as HTML text."""
    return page_template("report.html.j2").render(**_context(run))


def _context(run: RunFiles) -> dict[str, Any]:
    board = board_of(run)
    key = board.measures()
    return {
        "study": run.study,
        "title": run.study.get("name") or run.folder.resolve().name,
        "arms": arms_of(run.study),
        "board": board,
        "missing": run.missing,
        "cautions": cautions(run, board),
        "verdict": verdict_rows(
            board,
            [m for m in VERDICT if m in key] or key[:5],
            headline=run.scorecard.get("protocol", {}).get("headline", ()),
        ),
        "lead": _lead(board),
        "main": _main_table(run, board, key),
        "encoder_judges": encoder_table(board),
        "judges": judge_tables(board),
        "datasets": dataset_tables(board),
        **_figures(run, board, key),
        **_eyes(run),
        "data": run.data,
        "environment": run.environment,
        "protocol": run.scorecard.get("protocol", {}),
        "trainings": _in_order(run, board),
        "glossary": _glossary(board),
        "words": words,
        "label": label,
    }


def cautions(run: RunFiles, board: Board) -> list[str]:
    """Return what a reader must know before the first number."""
    said = []
    if _drawn(run):
        said.append("The photographs are phantoms drawn by the package; no camera took them.")
    n = max((s.get("n") or 0 for s in board.scores), default=0)
    patients = max((s.get("patients") or 0 for s in board.scores), default=0)
    if 0 < n < SMALL_N or 0 < patients < FEW_PATIENTS:
        said.append(
            f"Few held-out eyes: {n} images"
            + (f" of {patients} patients" if patients else "")
            + ". Intervals over so few patients are too narrow."
        )
    seeds = {t.seed for t in run.trainings if t.arm in board.arms}
    if len(seeds) == 1:
        said.append(
            "One seed: how far arms differ from one training to the next is unknown, and no "
            "interval on this page contains it."
        )
    unknown = run.data.get("patients_unknown")
    if unknown:
        said.append(f"Patient unknown for {unknown} images: there the image is the unit.")
    failed = dict.fromkeys(t.arm for t in run.trainings if t.failed)
    if failed:
        said.append(f"Failed arms: {', '.join(failed)}. Their reasons stand in the table.")
    return said


def _in_order(run: RunFiles, board: Board) -> list[TrainingRun]:
    """Return the trainings in the study's order of arms; of the rest only what failed."""
    order = {arm: place for place, arm in enumerate(board.arms)}
    shown = [t for t in run.trainings if t.arm in order or t.failed]
    return sorted(shown, key=lambda t: (order.get(t.arm, len(order)), t.seed))


def _lead(board: Board) -> str:
    """Return in one sentence whether pixels and vessels choose the same arm."""
    pixels, vessels = board.best("psnr"), board.best("dice")
    if not pixels or not vessels:
        return ""
    if pixels == vessels:
        return f"PSNR and vessel Dice choose the same arm: {vessels}."
    return f"Vessel Dice chooses {vessels}, PSNR chooses {pixels}: pixels and vessels disagree."


def _drawn(run: RunFiles) -> bool:
    names = [str(r.get("name", "")) for r in run.data.get("records", [])]
    names += [str(image) for image in run.rows["image"].unique()]
    return any("synthetic" in name or "phantom" in name for name in names)


def _main_table(run: RunFiles, board: Board, key: list[str]) -> Any:
    expressions = {arm["name"]: arm["expression"] for arm in arms_of(run.study)}
    return table_of(board, "All arms", key, trainings=run.trainings, expressions=expressions)


def _figures(run: RunFiles, board: Board, key: list[str]) -> dict[str, Any]:
    forests = [(measure, charts.forest(board, measure)) for measure in key]
    strips = [(m, charts.strip(board, run.rows, m)) for m in ("dice", "psnr") if m in key]
    return {
        "forests": [(m, chart) for m, chart in forests if chart is not None],
        "strips": [(m, chart) for m, chart in strips if chart is not None],
        "trade_off": charts.trade_off(board, "psnr", "dice"),
        "widths": charts.recall_by_width(board),
        "curves": curves.learning_curves(run.trainings, board.arms),
        "curve_legend": curves.curve_legend(board.arms),
    }


def _eyes(run: RunFiles) -> dict[str, Any]:
    eyes = pictures.embed_eyes(run.eyes, run.folder / "panels")
    by_arm: dict[str, dict[str, Any]] = {}
    for eye in eyes:
        if eye.get("why") in ("best", "worst"):
            by_arm.setdefault(eye.get("arm", ""), {})[eye["why"]] = eye
    chosen_by = run.study.get("measure", {})
    measure = chosen_by.get("primary", "") if isinstance(chosen_by, dict) else ""
    return {
        "fixed_eyes": [eye for eye in eyes if eye.get("why", "fixed") == "fixed"],
        "extremes": by_arm,
        "caption_measure": label(measure) if measure else "",
    }


def _glossary(board: Board) -> list[dict[str, Any]]:
    cards = {s["name"]: s["card"] for s in board.scores if s.get("card")}
    order = [*(m for m in KEY_MEASURES if m in cards), *(m for m in cards if m not in KEY_MEASURES)]
    return [cards[name] for name in order]
