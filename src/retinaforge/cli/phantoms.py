"""`retinaforge phantoms`: draw eyes whose truth is exact, and look at one with its layers."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import typer

from retinaforge.cli import phantoms_damage
from retinaforge.cli.output import answer_json, progress_bar, say
from retinaforge.core import Refusal
from retinaforge.core.artefacts import write_with
from retinaforge.phantoms import facts_of, load_recipe, write_phantoms, write_shards
from retinaforge.phantoms.layers import show_layers
from retinaforge.phantoms.people import phantom_of, places, sit
from retinaforge.phantoms.recipe import RECIPES

app = typer.Typer(help="Draw fundus photographs whose truth is exact.", no_args_is_help=True)
RECIPE_HELP = f"A recipe file (TOML) or one of {', '.join(RECIPES)}."
app.command(epilog=phantoms_damage.EXAMPLES)(phantoms_damage.damage)


@app.callback()
def _group() -> None:
    """Draw fundus photographs whose truth is exact."""


@app.command(
    epilog="Examples:\n\n"
    "`retinaforge phantoms draw phantoms --count 60 --size 512 --seed 0`\n\n"
    "`retinaforge phantoms draw diabetic --count 600 --recipe diabetic --workers 2`\n\n"
    "`retinaforge phantoms draw shards --count 2000 --size 256 --shards 8 --json`\n\n"
    "The same command again resumes."
)
def draw(
    out: Path = typer.Argument(..., help="Folder to write; made if absent, resumed if begun."),
    count: int = typer.Option(60, min=1, help="Photographs, person by person."),
    size: int = typer.Option(512, help="Side of each in px, 64 or more."),
    seed: int = typer.Option(0, min=0, help="The same seed draws the same bytes."),
    recipe: str = typer.Option("screening", help=RECIPE_HELP),
    workers: int = typer.Option(1, min=1, help="Processes; they do not change the result."),
    shards: int = typer.Option(0, min=0, help="Write so many tar shards (WebDataset) instead."),
    as_json: bool = typer.Option(False, "--json", help="Answer as JSON."),
) -> None:
    """Draw photographs with masks, exact vessel graphs, facts and true biomarkers.

    Without `--shards` the folder is an imagefolder with metadata.jsonl, manifest.csv and
    splits.csv; the answer is the manifest's path. With it, the answer is one path a shard.
    """
    population = load_recipe(recipe)
    say(f"drawing {count} phantoms of {size} px, recipe {population.name}, seed {seed}, into {out}")
    settings: dict[str, Any] = {"count": count, "size_px": size, "seed": seed}
    with progress_bar("phantoms") as advance:
        write = partial(write_phantoms, out)
        if shards:
            write = partial(write_shards, out, shards=shards)
        written = write(**settings, workers=workers, recipe=population, on_progress=advance)
    paths = [str(path) for path in written] if isinstance(written, list) else [str(written)]
    if as_json:
        found = {"shards": paths} if shards else {"manifest": paths[0]}
        answer_json(found | settings | {"recipe": population.name})
    else:
        print(*paths, sep="\n")


@app.command(
    epilog="Examples:\n\n"
    "`retinaforge phantoms show 7 --out eye.png`\n\n"
    "`retinaforge phantoms show 7 --recipe diabetic --number 4 --size 768 --out eye.png`\n\n"
    "`retinaforge phantoms show 7 --json > facts.json`"
)
def show(
    seed: int = typer.Argument(..., min=0, help="Seed of the set."),
    number: int = typer.Option(0, min=0, help="Which photograph of that set."),
    size: int = typer.Option(512, help="Side of each panel in px, 64 or more."),
    recipe: str = typer.Option("screening", help=RECIPE_HELP),
    out: Path = typer.Option(Path("eye.png"), help="Image file to write, .png or .jpg."),
    as_json: bool = typer.Option(False, "--json", help="Print the facts as JSON instead."),
) -> None:
    """Show one eye with its layers: photograph, vessels, landmarks, lesions, graph, facts.

    It is the photograph of that number in the set that `draw` writes with the same seed, size and
    recipe.
    """
    population = load_recipe(recipe)
    place = places(population, seed=seed, count=number + 1)[number]
    sitting = sit(population, place, seed=seed)
    phantom = phantom_of(sitting, size_px=size)
    facts = facts_of(phantom, sitting)
    if as_json:
        answer_json(facts)
        return
    form = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg"}.get(out.suffix.lower())
    if form is None:
        raise Refusal("a file that ends in .png or .jpg", f"{out}", "rename it")
    page = show_layers(phantom, facts)
    write_with(out, lambda stream: page.save(stream, form))
    print(out)


app.command("damage", epilog=phantoms_damage.EXAMPLES)(phantoms_damage.damage)
