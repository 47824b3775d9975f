"""`retinaforge reader`: do clinicians take synthetic images for real? Made, served, read."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Any

import typer

from retinaforge.cli.output import answer_json, progress_bar, say

EXIT_PARTLY = 1
app = typer.Typer(no_args_is_help=True, help="Reader study: make it, serve it, read what it says.")


class Design(StrEnum):
    """What readers are asked."""

    turing = "turing"
    pairs = "2afc"
    grading = "grading"


class Codec(StrEnum):
    """How images are encoded, all alike."""

    png = "png"
    jpeg = "jpeg"


class Grade(StrEnum):
    """What a grade grades."""

    dr_grade = "dr_grade"
    glaucoma = "glaucoma"
    amd_stage = "amd_stage"


class Ask(StrEnum):
    """Further parts of the form."""

    verdict = "verdict"
    aspects = "aspects"
    grade = "grade"
    comment = "comment"


def new(
    real: Path = typer.Option(..., help="Folder of photographs."),
    synthetic: Path = typer.Option(..., help="Folder of synthetic images."),
    out: Path = typer.Option(..., help="Folder of the study, to be made."),
    design: Design = typer.Option(
        Design.turing,
        help="turing: real or synthetic; 2afc: which of two; grading: six aspects.",
    ),
    readers: int = typer.Option(3, min=1, help="Readers; each gets a code."),
    images: int = typer.Option(
        None, min=4, help="Images in all, half of them real; none: what both sides have, up to 100."
    ),
    repeats: float = typer.Option(0.2, min=0, max=0.5, help="Share shown twice."),
    by: str = typer.Option(None, help="Column that both sides are balanced by, such as dr_grade."),
    ask: list[Ask] = typer.Option([], help="Also ask: verdict, aspects, grade; repeatable."),
    grade: Grade = typer.Option(Grade.dr_grade, help="What a grade grades."),
    title: str = typer.Option("Reader study", help="Head of the page; readers see it."),
    size: int = typer.Option(None, min=64, help="Side in px; none: the largest without enlarging."),
    codec: Codec = typer.Option(Codec.png, help="png, or jpeg of quality 95."),
    circle: bool = typer.Option(True, help="Blacken what lies outside one common circle."),
    key: Path = typer.Option(None, help="Where the key is kept; none: OUT/key.json."),
    seed: int = typer.Option(None, help="Of draw and orders; none: drawn, kept in the key."),
    as_json: bool = typer.Option(False, "--json", help="Answer as JSON on stdout."),
) -> None:
    """Make the folder of a blinded, balanced study, with a code for each reader.

    Images are decoded, cut to the field of view, brought to one size and encoded alike, with random
    names, one length and no metadata; what may still tell sides apart is said. Codes and token are
    printed once and kept as hashes. Exit code 0: made; 1: some files could not be read, each is
    named and replaced; 2: refused.
    """
    from retinaforge.images import read_records
    from retinaforge.tasks.reader_new import Options, new_study

    options = Options(
        design=design.value, readers=readers, images=images, repeats=repeats, by=by,
        ask=tuple(part.value for part in ask), grade=grade.value, title=title, size_px=size,
        codec=codec.value, circle=circle, seed=seed,
    )  # fmt: skip
    sides = read_records(real), read_records(synthetic)
    with progress_bar("starting") as move:
        told = new_study(
            *sides, out, options, key=key,
            on_progress=lambda what, done, count: move(done, count),
        )  # fmt: skip
    for row in told["unreadable"]:
        say(f"{row['name']}: {row['reason']}", alarm="unreadable")
    for text in told["warnings"]:
        say(text, alarm="caution")
    if as_json:
        answer_json(told)
    else:
        _print_codes(told)
    if told["unreadable"]:
        raise typer.Exit(EXIT_PARTLY)


def _print_codes(told: dict[str, Any]) -> None:
    found = told["accuracy_found"]
    say(
        f"{told['images']} images of {told['size_px']} px, {told['trials']} to read each, "
        f"{told['repeats']} of them twice. One reader who is right in "
        + (f"{found:.1%} or more is told from a guess with power 80 %." if found else
           "all is not told from a guess: too few images.")
    )  # fmt: skip
    say("Codes are printed now and never again:")
    for reader, code in told["codes"].items():
        print(f"{reader}\t{code}")
    print(f"organiser\t{told['token']}")
    say(f"retinaforge reader serve {told['folder']}")


def serve(
    study: Path = typer.Argument(..., metavar="STUDY", help="Folder of `reader new`."),
    host: str = typer.Option("127.0.0.1", help="Address to listen on; 0.0.0.0 for other devices."),
    port: int = typer.Option(8765, min=1, max=65535, help="Port."),
    certificate: Path = typer.Option(None, help="PEM, for HTTPS."),
    private_key: Path = typer.Option(None, help="PEM, for HTTPS."),
) -> None:
    """Serve a study's pages to readers until interrupted; needs no internet and no key.

    Readers enter at /, the organiser follows their progress at /organiser. Each click is on the
    disk before it is acknowledged; the same command goes on after any stop.
    """
    from retinaforge.tasks.reader_study import read_study
    from retinaforge.web.serve import addresses, require_port, require_server
    from retinaforge.web.serve import serve as run

    require_server()
    read_study(study)
    require_port(host, port)
    secure = certificate is not None
    for address in addresses(host, port, secure=secure):
        say(f"readers: {address}   organiser: {address}organiser")
    if host not in ("127.0.0.1", "localhost", "::1") and not secure:
        say("codes travel unencrypted: use it in a network you trust, or give --certificate and "
            "--private-key", alarm="caution")  # fmt: skip
    run(study, host, port, certificate=certificate, private_key=private_key)


def report(
    study: Path = typer.Argument(..., metavar="STUDY", help="Folder of `reader new`."),
    out: Path = typer.Option(None, help="Folder to write; none: STUDY/report."),
    key: Path = typer.Option(None, help="The key, where it is kept elsewhere."),
    by: str = typer.Option(None, help="Column to part answers by; none: that of `reader new`."),
    seed: int = typer.Option(0, help="Of the bootstrap."),
    as_json: bool = typer.Option(False, "--json", help="Print reader.json on stdout."),
) -> None:
    """Say how well readers tell real from synthetic, and how far they agree.

    Accuracy against one half with exact intervals, share called real on both sides, d', AUC, kappas
    between and within readers, intervals over readers and images, by stratum and by aspect. Writes
    reader.html (one file), reader.json and answers.csv. Readers may be half way. Exit code 0.
    """
    from retinaforge.core.artefacts import write_json, write_text
    from retinaforge.reports.reader_page import text_summary, write_reader_page
    from retinaforge.tasks.reader_answers import answers_csv, readings_of
    from retinaforge.tasks.reader_report import report_on

    told_study, truth, table = _opened(study, key)
    out = out or study / "report"
    readings = readings_of(told_study, table, truth)
    told = report_on(told_study, truth, readings, seed=seed, by=by)
    write_json(out / "reader.json", told)
    write_text(out / "answers.csv", answers_csv(readings))
    page = write_reader_page(out)
    if as_json:
        answer_json(told)
    else:
        print(text_summary(told))
        print(page)


def export(
    study: Path = typer.Argument(..., metavar="STUDY", help="Folder of `reader new`."),
    out: Path = typer.Option(None, help="CSV to write; none: stdout."),
    key: Path = typer.Option(None, help="The key, where it is kept elsewhere."),
    blind: bool = typer.Option(False, "--blind", help="Without the truth; no key is opened."),
) -> None:
    """Write every answer as a row of CSV: reader, image, what it is, answers, time."""
    from retinaforge.core.artefacts import write_text
    from retinaforge.tasks.reader_answers import answers_csv, readings_of

    told_study, truth, table = _opened(study, key, blind=blind)
    text = answers_csv(readings_of(told_study, table, truth))
    if out is None:
        print(text, end="")
    else:
        print(write_text(out, text))


def _opened(folder: Path, key: Path | None, *, blind: bool = False) -> Any:
    from retinaforge.tasks.reader_study import ANSWERS, read_key, read_study
    from retinaforge.web.table import read_table

    study = read_study(folder)
    truth = None if blind else read_key(study, key)
    return study, truth, read_table(folder / ANSWERS, study.told["id"])


def plan(
    accuracy: float = typer.Option(0.6, help="Accuracy that the study is to find."),
    margin: float = typer.Option(0.1, help="To rule out: accuracy of one half plus this."),
    readers: int = typer.Option(3, min=1, help="Readers, each of them reading all images."),
    power: float = typer.Option(0.8, help="Power."),
    alpha: float = typer.Option(0.05, help="Level of the test."),
    reader_sd: float = typer.Option(0.05, help="Guess: spread of readers' own accuracies."),
    correlation: float = typer.Option(0.2, help="Guess: two readers' answers to one image."),
    as_json: bool = typer.Option(False, "--json", help="Answer as JSON on stdout."),
) -> None:
    """Say how many images a study needs, before it begins.

    Not to find a difference shows nothing: to claim that images cannot be told apart, plan for the
    margin that is to be ruled out.
    """
    from retinaforge.tasks.reader_plan import plan_of

    told = plan_of(
        accuracy, margin, readers, power=power, alpha=alpha, reader_sd=reader_sd,
        correlation=correlation,
    )  # fmt: skip
    if as_json:
        answer_json(told)
        return
    for row in told["rows"]:
        print(f"{row['words']}: {row['images'] if row['images'] is not None else row['reason']}")
    say(told["note"])


NEW_EXAMPLES = (
    "Examples:\n\n"
    "`retinaforge reader new --real photographs --synthetic samples --readers 3 --out STUDY`\n\n"
    "`retinaforge reader new --real photographs --synthetic samples --design 2afc --images 80 "
    "--by dr_grade --out STUDY`\n\n"
    "`retinaforge reader new --real photographs --synthetic samples --design grading --ask verdict "
    "--key ../key.json --out STUDY`"
)
SERVE_EXAMPLES = (
    "Examples:\n\n"
    "`retinaforge reader serve STUDY`\n\n"
    "`retinaforge reader serve STUDY --host 0.0.0.0 --certificate cert.pem --private-key key.pem`"
)
REPORT_EXAMPLES = (
    "Examples:\n\n"
    "`retinaforge reader report STUDY`\n\n"
    "`retinaforge reader report STUDY --key ../key.json --out told --json`"
)
EXPORT_EXAMPLES = (
    "Examples:\n\n"
    "`retinaforge reader export STUDY --out answers.csv`\n\n"
    "`retinaforge reader export STUDY --blind`"
)
PLAN_EXAMPLES = (
    "Examples:\n\n"
    "`retinaforge reader plan --accuracy 0.65 --readers 5`\n\n"
    "`retinaforge reader plan --margin 0.1 --readers 8 --reader-sd 0.08 --json`"
)
app.command("new", epilog=NEW_EXAMPLES)(new)
app.command("serve", epilog=SERVE_EXAMPLES)(serve)
app.command("report", epilog=REPORT_EXAMPLES)(report)
app.command("plan", epilog=PLAN_EXAMPLES)(plan)
app.command("export", epilog=EXPORT_EXAMPLES)(export)
