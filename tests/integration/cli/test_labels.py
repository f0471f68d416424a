"""``firstboot labels``: what is printed can be scanned and read, lies on its label, and does no harm."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs
from xml.etree import ElementTree

import pytest
from PIL import Image, ImageDraw
from tests.integration.cli.conftest import CommandLine, Result
from tests.services import require_tool

from firstboot_plugins.labels.fonts import Fonts
from firstboot_plugins.labels.formats import FORMATS, Sheet

URL = "https://iot.example.com"
SECRET = "K7QW2M9XTRBA8HE4"
NAMES = ["meter-1", "Zähler Straße 12", "Счётчик №5", "عداد المياه ٣", "=1+1", "{nb} of {nb}", "R&D < 5 > (x\\)"]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(autouse=True)
def _programs() -> None:
    for program in ("zbarimg", "pdftoppm", "pdftotext"):
        require_tool(program)


def printed(cli: CommandLine, rows: list[tuple[str, str]], *options: str) -> Result:
    """Import devices of these names and secrets, and print what the import hands out."""
    cells = [f'"{name}","{secret}"' for name, secret in rows]
    Path("list.csv").write_text("\n".join(["name,secret", *cells]), encoding="utf-8")
    cli("profile", "create", "meters")
    cli("import", "list.csv", "--profile", "meters", "--secrets", "secrets.csv")
    return cli.try_("labels", "secrets.csv", "--url", URL, *options)


def pages(pdf: str, dpi: int) -> list[Image.Image]:
    subprocess.run(["pdftoppm", "-r", str(dpi), "-gray", pdf, "page"], check=True, timeout=60)
    return [opened(file) for file in sorted(Path().glob("page*.pgm"))]


def opened(file: Path) -> Image.Image:
    with Image.open(file) as picture:
        picture.load()
        return picture


def text_of(pdf: str) -> str:
    return subprocess.run(
        ["pdftotext", "-layout", pdf, "-"], check=True, capture_output=True, text=True, timeout=60
    ).stdout


def scanned(picture: Image.Image) -> tuple[str, str]:
    """Return name and secret of the one code in a picture."""
    picture.save("scanned.png")
    done = subprocess.run(
        ["zbarimg", "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", "scanned.png"],
        check=True, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    (link,) = done.stdout.splitlines()
    start, _, fragment = link.partition("#")
    assert start == f"{URL}/claim"
    fields = parse_qs(fragment, strict_parsing=True)
    return fields["name"][0], fields.get("secret", [""])[0]


def label_areas(sheet: Sheet, dpi: int) -> Iterator[tuple[int, int, int, int]]:
    for index in range(sheet.labels):
        x, y = sheet.place(index)
        corners = (x, y, x + sheet.label_width, y + sheet.label_height)
        left, top, right, bottom = (round(length / 25.4 * dpi) for length in corners)
        yield left, top, right, bottom


def assert_blank_beside(page: Image.Image, areas: list[tuple[int, int, int, int]]) -> None:
    page = page.copy()
    for area in areas:
        ImageDraw.Draw(page).rectangle(area, fill=255)
    assert page.getextrema() == (255, 255), "something lies beside the labels"


def test_each_label_can_be_scanned_and_read(cli: CommandLine) -> None:
    rows = [(name, SECRET[number:] + SECRET[:number]) for number, name in enumerate(NAMES)]

    assert printed(cli, rows, "-o", "labels.pdf", "--title", "ACME & Sons").status == 0

    (page,) = pages("labels.pdf", 300)
    areas = list(label_areas(FORMATS["avery-l7160"], 300))
    assert [scanned(page.crop(area)) for area in areas[: len(rows)]] == rows
    assert_blank_beside(page, areas[: len(rows)])
    text = text_of("labels.pdf")
    assert all(name in text for name in NAMES if name.isascii() and len(name) < 10)
    assert text.count("{nb}") == 2, "no name is an instruction to the PDF library"
    assert text.count("ACME & Sons") == len(rows)
    assert "K7QW 2M9X" in text


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_prints_into_its_first_and_last_label(cli: CommandLine, name: str) -> None:
    sheet = FORMATS[name]
    rows = [("70B3D57ED0051234", SECRET), ("70B3D57ED0051235", SECRET)]

    done = printed(cli, rows, "-o", "labels.pdf", "--format", name, "--start-at", str(sheet.labels))

    assert done.status == 0, done.err
    last, first = pages("labels.pdf", 450)
    areas = list(label_areas(sheet, 450))
    assert scanned(last.crop(areas[-1])) == rows[0]
    assert scanned(first.crop(areas[0])) == rows[1]
    assert_blank_beside(last, areas[-1:])
    assert_blank_beside(first, areas[:1])


def test_a_label_printer_gets_a_page_for_each_label(cli: CommandLine) -> None:
    Path("s.csv").write_text(f"name,secret\nm-1,{SECRET}\nm-2,\n")

    cli("labels", "s.csv", "-o", "labels.pdf", "--url", URL, "--label-size", "62x29")

    assert [scanned(page) for page in pages("labels.pdf", 203)] == [("m-1", SECRET), ("m-2", "")]


def test_pictures_as_png_have_names_in_their_names_that_do_no_harm(cli: CommandLine) -> None:
    """HT-9, HT-7: names are no part of a path."""
    rows = [(name, SECRET) for name in ("../../etc/passwd", "a/b\\c", "Счётчик", "-rf *", "CON", ".hidden")]

    done = printed(cli, rows, "-o", "pictures", "--picture", "png", "--dpi", "203", "--label-size", "50x25")

    assert done.status == 0, done.err
    files = sorted(Path("pictures").iterdir())
    assert [file.name for file in files] == [
        "00001-etc-passwd.png", "00002-a-b-c.png", "00003.png", "00004-rf.png", "00005-CON.png",
        "00006-hidden.png",
    ]  # fmt: skip
    assert [scanned(opened(file)) for file in files] == rows
    assert opened(files[0]).size == (round(50 / 25.4 * 203), round(25 / 25.4 * 203))
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert Path("pictures").stat().st_mode & 0o777 == 0o700


def test_pictures_as_svg_have_the_code_and_the_texts(cli: CommandLine) -> None:
    assert printed(cli, [("m-2", "own & secret")], "-o", "pictures", "--picture", "svg").status == 0

    (file,) = Path("pictures").iterdir()
    root = ElementTree.parse(file).getroot()
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert texts == ["m-2", "own & secret"]
    assert scanned(drawn(root)) == ("m-2", "own & secret")


def drawn(root: ElementTree.Element) -> Image.Image:
    """Draw the code of an SVG: bars, each as ``M x y h LENGTH v1 h-LENGTH z``."""
    (path,) = root.iter(f"{SVG}path")
    picture = Image.new("L", (1000, 1000), 255)
    for bar in path.attrib["d"].split("M")[1:]:
        place, length = bar.partition("v")[0].split("h")
        x, y = (int(number) * 10 for number in place.split())
        ImageDraw.Draw(picture).rectangle((x, y, x + int(length) * 10 - 1, y + 9), fill=0)
    return picture


def test_letters_that_no_font_has_are_replaced_and_named(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Fonts, "_installed", [])

    done = printed(cli, [("m-1", SECRET), ("表-2", SECRET)], "-o", "labels.pdf")

    assert done.status == 0
    assert done.err.startswith("line 3: no font")
    assert "?-2" in text_of("labels.pdf")
    (page,) = pages("labels.pdf", 300)
    areas = list(label_areas(FORMATS["avery-l7160"], 300))
    assert scanned(page.crop(areas[1])) == ("表-2", SECRET)


def test_a_bad_line_is_named_and_the_others_are_printed(cli: CommandLine) -> None:
    """HT-9."""
    rows = [
        "name,secret",
        f"m-1,{SECRET}",
        f"<script>x,{SECRET}",
        f"m-3,{SECRET}\x07",
        f'm-4"x,"{SECRET}"x',
        "m-5,s",
    ]
    Path("s.csv").write_text("\n".join(rows))

    partly = cli.try_("labels", "s.csv", "-o", "labels.pdf", "--url", URL)

    assert (partly.status, partly.out) == (1, "2 labels in labels.pdf\n")
    assert [line.split(":")[0] for line in partly.err.splitlines()] == ["line 3", "line 4", "line 5", "firstboot"]
    assert SECRET not in partly.err
    assert "script" not in text_of("labels.pdf")


def test_links_begin_with_the_configured_url(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """HT-5."""
    Path("s.csv").write_text(f"name,secret\nm-1,{SECRET}\n")
    refused = cli.try_("labels", "s.csv", "-o", "labels.pdf")
    assert refused.status == 1
    assert "public_url" in refused.err

    monkeypatch.setenv("FIRSTBOOT_HTTP__PUBLIC_URL", f"{URL}/")
    cli("labels", "s.csv", "-o", "labels.pdf", "--label-size", "50x25")

    assert scanned(pages("labels.pdf", 300)[0]) == ("m-1", SECRET)


def test_a_file_that_exists_is_not_overwritten(cli: CommandLine) -> None:
    Path("s.csv").write_text(f"name,secret\nm-1,{SECRET}\n")
    cli("labels", "s.csv", "-o", "labels.pdf", "--url", URL)
    before = Path("labels.pdf").read_bytes()

    assert cli.try_("labels", "s.csv", "-o", "labels.pdf", "--url", URL).status == 1
    assert Path("labels.pdf").read_bytes() == before
    assert Path("labels.pdf").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "options",
    [
        ["s.csv", "-o", "labels.pdf", "--format", "avery-nope"],
        ["s.csv", "-o", "labels.pdf", "--format", "avery-l7160", "--label-size", "62x29"],
        ["s.csv", "-o", "labels.pdf", "--label-size", "huge"],
        ["s.csv", "-o", "labels.pdf", "--start-at", "22"],
        ["s.csv", "-o", "labels.pdf", "--start-at", "0"],
        ["s.csv", "-o", "labels"],
        ["s.csv", "-o", "labels.pdf", "--title", "a\tb"],
        ["nowhere.csv", "-o", "labels.pdf"],
        ["s.csv"],
    ],
)
def test_wrong_use_is_refused_with_status_2(cli: CommandLine, options: list[str]) -> None:
    Path("s.csv").write_text(f"name,secret\nm-1,{SECRET}\n")

    assert cli.try_("labels", *options, *(["--url", URL] if len(options) > 1 else [])).status == 2
    assert not Path("labels.pdf").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [("", "no column"), ("name\nm-1\n", "'secret'"), ("name,secret\n", "no label"), (b"\xff\xfen\0", "UTF-8")],
)
def test_a_file_that_is_no_secrets_file_is_refused(cli: CommandLine, content: str | bytes, message: str) -> None:
    Path("s.csv").write_bytes(content.encode() if isinstance(content, str) else content)

    refused = cli.try_("labels", "s.csv", "-o", "labels.pdf", "--url", URL)

    assert refused.status == 1
    assert message in refused.err
    assert not Path("labels.pdf").exists()


def test_a_font_that_is_none_is_refused(cli: CommandLine) -> None:
    Path("s.csv").write_text(f"name,secret\nm-1,{SECRET}\n")

    refused = cli.try_("labels", "s.csv", "-o", "labels.pdf", "--url", URL, "--font", "s.csv")

    assert refused.status == 1
    assert "no font" in refused.err
