"""`generate oracle`, `generate obey` and `demo text` from the command line."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "tasks"))
from toy_oracle_eyes import toy_eyes

from retinaforge.studies.text_demo import SMALLEST, TextDemo, steps_of
from retinaforge.tasks.records_file import write_known


def test_an_oracle_is_taught_and_its_ceiling_printed(retinaforge, tmp_path):
    known = toy_eyes(tmp_path, 20) + toy_eyes(tmp_path, 12, "test", first=300)
    records = write_known(tmp_path / "records.jsonl", known)
    words = ("generate", "oracle", records, "--out", tmp_path / "oracle", "--size", 48,
             "--epochs", 1, "--json")  # fmt: skip
    done = retinaforge(*words)
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert {row["reader"] for row in told["words"]} == {"network", "closed"}
    side = next(row for row in told["words"] if (row["word"], row["reader"]) == ("eye", "closed"))
    assert (side["value"], side["n"]) == (1.0, 12)
    kept = json.loads((tmp_path / "oracle" / "ceiling.json").read_text())
    assert kept["words"] == told["words"]


def test_obey_without_a_generator_is_refused(retinaforge, tmp_path):
    done = retinaforge(
        "generate", "obey", tmp_path / "none", "--oracle", tmp_path, "--out", tmp_path / "o"
    )
    assert done.code == 2


def test_the_chain_names_every_command_in_order(tmp_path):
    steps = steps_of(TextDemo(), tmp_path)
    assert [step.name for step in steps] == [
        "phantoms", "records", "captions", "autoencoder", "generator", "oracle", "obey",
        "adherence", "adherence-held-out",
    ]  # fmt: skip
    assert all(step.weight_s > 0 for step in steps)
    assert sum(step.weight_s for step in steps) <= 600


@pytest.mark.slow
def test_the_smallest_chain_ends_with_a_page(retinaforge, tmp_path):
    out = tmp_path / "demo"
    first = retinaforge("demo", "text", "--out", out, "--smallest")
    assert first.code in (0, 1), first.err
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Every image on this page is synthetic" in page
    assert f"{SMALLEST.phantoms} phantoms" in page
    assert "http" not in page.replace("http://www.w3.org", "")
    again = retinaforge("demo", "text", "--out", out, "--smallest", "--json")
    told = json.loads(again.out)
    assert {step["state"] for step in told["steps"]} == {"found done"}
    assert told["lint"]["with_error"] == 0


def test_samples_of_another_size_than_the_oracles_are_told():
    from retinaforge.cli.generate_obey import other_side

    assert other_side({"oracle": {"side_px": 64}, "side_px": 64}) == ""
    assert "learnt at 64 px, samples are of 128 px" in other_side(
        {"oracle": {"side_px": 64}, "side_px": 128}
    )
