"""`retinaforge reader`: do clinicians take synthetic images for real? Made, served, read."""

from __future__ import annotations

from pathlib import Path

import typer

from retinaforge.cli.output import answer_json, say
from retinaforge.cli.reader_answers import EXPORT_EXAMPLES, REPORT_EXAMPLES, export, report
from retinaforge.cli.reader_new import EXAMPLES as NEW_EXAMPLES
from retinaforge.cli.reader_new import new

app = typer.Typer(no_args_is_help=True, help="Reader study: make it, serve it, read what it says.")
SERVE_EXAMPLES = (
    "Examples:\n\n"
    "`retinaforge reader serve STUDY`\n\n"
    "`retinaforge reader serve STUDY --host 0.0.0.0 --certificate cert.pem --private-key key.pem`"
)
PLAN_EXAMPLES = (
    "Examples:\n\n"
    "`retinaforge reader plan --accuracy 0.65 --readers 5`\n\n"
    "`retinaforge reader plan --margin 0.1 --readers 8 --reader-sd 0.08 --json`"
)


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


app.command("new", epilog=NEW_EXAMPLES)(new)
app.command("serve", epilog=SERVE_EXAMPLES)(serve)
app.command("report", epilog=REPORT_EXAMPLES)(report)
app.command("plan", epilog=PLAN_EXAMPLES)(plan)
app.command("export", epilog=EXPORT_EXAMPLES)(export)
