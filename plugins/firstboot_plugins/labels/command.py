"""``firstboot labels``: from the secrets file of an import to labels in the box."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from firstboot.cli.common import ConfigOption, fail, source_of
from firstboot.csv_records import Record, read_records
from firstboot.errors import InvalidValue
from firstboot_plugins.labels.content import Label, LabelReader, labels_of
from firstboot_plugins.labels.formats import FORMATS, Sheet, single

if TYPE_CHECKING:
    from firstboot_plugins.labels.drawing import Drawing

app = typer.Typer(
    help="Print labels with QR codes for the devices of an import.",
    subcommand_metavar="",
    context_settings={"allow_interspersed_args": True},
)
_USUAL = "avery-l7160"


class Picture(enum.StrEnum):
    """Kind of the files with one label each."""

    SVG = "svg"
    PNG = "png"


def _format(name: str) -> Sheet:
    if name not in FORMATS:
        raise typer.BadParameter(f"there are {', '.join(FORMATS)}")
    return FORMATS[name]


@app.callback(invoke_without_command=True)
def labels(
    file: Annotated[
        Path, typer.Argument(help="CSV with the columns name and secret, as firstboot import writes it.")
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="<path>", help="New file such as labels.pdf; folder for pictures."),
    ],
    sheet: Annotated[
        Sheet | None,
        typer.Option(
            "--format",
            parser=_format,
            metavar="<name>",
            help=f"Sheet of labels: {', '.join(FORMATS)}.",
            show_default=_USUAL,
        ),
    ] = None,
    label_size: Annotated[
        str | None,
        typer.Option(metavar="<size>", help="One label a page, for label printers: 62x29 (millimetres)."),
    ] = None,
    start_at: Annotated[int, typer.Option(min=1, help="First label of the first sheet that is still there.")] = 1,
    picture: Annotated[
        Picture | None, typer.Option("--picture", help="A picture for each label, in place of a PDF.")
    ] = None,
    dpi: Annotated[int, typer.Option(min=150, max=1200, help="Resolution of PNG pictures.")] = 300,
    url: Annotated[
        str | None,
        typer.Option(metavar="<url>", help="How customers reach the server.", show_default="[http] public_url"),
    ] = None,
    title: Annotated[str, typer.Option(help="A line above the name, such as your brand.")] = "",
    font: Annotated[
        list[Path] | None, typer.Option(metavar="<file>", help="Font to look at first. Repeatable.")
    ] = None,
    tenant: Annotated[
        str | None, typer.Option(help="Name of the tenant where buyers of these devices may sign up.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Print labels: a QR code with the link that claims the device, its name and its secret.

    A row that cannot be printed is reported with its line, and the others are printed; the status is 1 then.
    """
    if sheet is not None and label_size is not None:
        raise typer.BadParameter("give --format or --label-size")
    if picture is None and output.suffix.lower() != ".pdf":
        raise typer.BadParameter("give a name that ends with .pdf, or --picture", param_hint="'--output'")
    if not title.isprintable():
        raise typer.BadParameter("a title may not have control characters", param_hint="'--title'")
    sheet = sheet or _sheet(label_size)
    if start_at > sheet.labels:
        raise typer.BadParameter(f"a sheet has {sheet.labels} labels", param_hint="'--start-at'")
    try:
        text = file.open(encoding="utf-8", errors="surrogateescape", newline="")
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read: {error.strerror}") from None
    with text:
        records = read_records(text, ",")
        header = next(records, Record(1))
        if header.error is not None:
            raise fail(f"line {header.line}: {header.error}")
        reader = LabelReader(header.cells, url or _public_url(config), tenant)
        drawing = _drawing(output, sheet, picture, font or [], start_at, dpi)
        done = _print(drawing, sheet, title, labels_of(records, reader))
    if done.printed:
        typer.echo(f"{done.printed} labels in {output}")
    if done.failed or not done.printed:
        raise fail(f"{done.failed} of {done.printed + done.failed} rows have no label.")


def _sheet(label_size: str | None) -> Sheet:
    if label_size is None:
        return FORMATS[_USUAL]
    try:
        return single(label_size)
    except InvalidValue as error:
        raise typer.BadParameter(str(error), param_hint="'--label-size'") from None


def _public_url(config: Path | None) -> str:
    from firstboot.core import lay_foundation
    from firstboot_plugins.transports.http.config import HttpConfig

    configured = lay_foundation(source_of(config)).config.section(HttpConfig).public_url
    if configured is None:
        raise fail("Nobody could follow the links: set [http] public_url, or give --url.")
    return configured


def _drawing(
    output: Path, sheet: Sheet, picture: Picture | None, fonts: list[Path], start_at: int, dpi: int
) -> Drawing:
    from firstboot_plugins.labels.fonts import Fonts

    try:
        if picture is None:
            from firstboot_plugins.labels.pdf import PdfSheets

            return PdfSheets(output, sheet, Fonts(fonts), start_at)
        if picture is Picture.PNG:
            from firstboot_plugins.labels.png import PngFiles

            return PngFiles(output, Fonts(fonts), dpi)
        from firstboot_plugins.labels.svg import SvgFiles

        return SvgFiles(output)
    except ModuleNotFoundError as error:
        raise fail(f"{error.name} is not installed: pip install 'firstboot[labels]'") from None


@dataclass
class _Done:
    printed: int = 0
    failed: int = 0


def _print(
    drawing: Drawing, sheet: Sheet, title: str, labels: Iterator[tuple[int, Label | InvalidValue]]
) -> _Done:
    from firstboot_plugins.labels.layout import lay_out

    done = _Done()
    measure = lru_cache(maxsize=4096)(drawing.measure)
    for line, label in labels:
        try:
            if isinstance(label, InvalidValue):
                raise label
            layout = lay_out(label, sheet.label_width, sheet.label_height, title, measure)
        except InvalidValue as error:
            typer.echo(f"line {line}: {error}", err=True)
            done.failed += 1
            continue
        drawing.draw(layout, label.name)
        done.printed += 1
        if any(drawing.lacks(text) for text in layout.texts):
            typer.echo(f"line {line}: no font here has all letters of the label; give one with --font.", err=True)
    if done.printed:
        drawing.finish()
    return done
