"""convprof schema: the JSON schema of a file that convprof writes."""

from __future__ import annotations

import json

import click

from convprof.records.files import FORMATS, schema


@click.command("schema", epilog="\b\nExample:\n  convprof schema plan > plan.schema.json\n")
@click.argument("name", type=click.Choice(tuple(FORMATS)))
def command(name: str) -> None:
    """Print the JSON schema (draft 2020-12) of the format NAME."""
    click.echo(json.dumps(schema(name), indent=2))
