"""The templates of the pages: escaped, and strict about names that are not there."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined, Template


def page_template(name: str) -> Template:
    """Return a template of `reports/templates`; what it does not know is an error, not a blank."""
    environment = Environment(
        loader=PackageLoader("retinaforge.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)
