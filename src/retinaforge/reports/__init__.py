"""From a run folder to one page; what is printed was computed before."""

from retinaforge.reports.markdown import markdown_table
from retinaforge.reports.page import write_report
from retinaforge.reports.schema import scorecard_schema

__all__ = ["markdown_table", "scorecard_schema", "write_report"]
