"""Office documents that carry a few lines: each the least that a real program opens."""

import io
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape

Rows = Sequence[Sequence[str]]
"""The lines of a table, its headings first; or sentences, each a line of one cell."""

OPEN_XML = "application/vnd.openxmlformats-officedocument."
OPEN_DOCUMENT = "application/vnd.oasis.opendocument."


def zip_file(members: Iterable[tuple[str, str | bytes]]) -> bytes:
    """An archive of these files, by name."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in members:
            # Must: the time of day is part of the file, and the same seed makes the same bytes.
            package.writestr(zipfile.ZipInfo(name), content)
    return file.getvalue()


XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"


def _office(main: str, kind: str, parts: Mapping[str, tuple[str, str]]) -> bytes:
    """An OPC package (ECMA-376 part 2) whose first part is `main`; `parts` by name, each with its
    kind and its content, belong to that."""
    folder = main.partition("/")[0]
    types = "".join(
        f'<Override PartName="/{name}" ContentType="{OPEN_XML}{each}+xml"/>'
        for name, (each, _) in parts.items()
    )
    relations = "".join(
        f'<Relationship Id="rId{n}" Type="{_OFFICE}/{name.split("/")[1].rstrip("s")}"'
        f' Target="{name.removeprefix(folder + "/")}"/>'
        for n, name in enumerate(parts)
        if name != main
    )
    return zip_file(
        (
            (
                "[Content_Types].xml",
                f'{XML}<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
                '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package'
                f'.relationships+xml"/><Default Extension="xml" ContentType="{kind}"/>{types}'
                "</Types>",
            ),
            (
                "_rels/.rels",
                f'{XML}<Relationships xmlns="{_RELATIONS}"><Relationship Id="rId1" '
                f'Type="{_OFFICE}/officeDocument" Target="{main}"/></Relationships>',
            ),
            (
                f"{folder}/_rels/{main.rpartition('/')[2]}.rels",
                f'{XML}<Relationships xmlns="{_RELATIONS}">{relations}</Relationships>',
            ),
            *((name, XML + content) for name, (_, content) in parts.items()),
        )
    )


def word_document(rows: Rows) -> bytes:
    """Paragraphs, or a table, for Word (ECMA-376 part 1 §17)."""

    def paragraph(text: str) -> str:
        return f'<w:p><w:r><w:t xml:space="preserve">{escape(text)}</w:t></w:r></w:p>'

    if len(rows[0]) == 1:
        body = "".join(paragraph(row[0]) for row in rows)
    else:
        cells = ("".join(f"<w:tc>{paragraph(cell)}</w:tc>" for cell in row) for row in rows)
        body = f"<w:tbl>{''.join(f'<w:tr>{each}</w:tr>' for each in cells)}</w:tbl>"
    content = (
        '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
        f"<w:body>{body}</w:body></w:document>"
    )
    kind = "wordprocessingml.document.main"
    return _office("word/document.xml", "application/xml", {"word/document.xml": (kind, content)})


def spreadsheet(rows: Rows) -> bytes:
    """One sheet for Excel."""
    return workbook({"Sheet1": rows})


def workbook(sheets: Mapping[str, Rows], hidden: Sequence[str] = ()) -> bytes:
    """A spreadsheet of Excel with these sheets by name, some of them `hidden`; its texts are shared
    as Excel shares them."""
    main = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    texts = list(dict.fromkeys(cell for rows in sheets.values() for row in rows for cell in row))
    number = {text: n for n, text in enumerate(texts)}
    listed = "".join(
        f'<sheet name="{escape(name)}" sheetId="{n}" r:id="rId{n}"'
        f"{' state=' + chr(34) + 'hidden' + chr(34) if name in hidden else ''}/>"
        for n, name in enumerate(sheets, 1)
    )
    parts = {
        "xl/workbook.xml": (
            "spreadsheetml.sheet.main",
            f'<workbook {main} xmlns:r="{_OFFICE}"><sheets>{listed}</sheets></workbook>',
        )
    }
    for n, rows in enumerate(sheets.values(), 1):
        lines = "".join(
            f'<row r="{y}">'
            + "".join(
                f'<c r="{chr(65 + x)}{y}" t="s"><v>{number[cell]}</v></c>'
                for x, cell in enumerate(row)
            )
            + "</row>"
            for y, row in enumerate(rows, 1)
        )
        content = f"<worksheet {main}><sheetData>{lines}</sheetData></worksheet>"
        parts[f"xl/worksheets/sheet{n}.xml"] = "spreadsheetml.worksheet", content
    shared = "".join(f'<si><t xml:space="preserve">{escape(text)}</t></si>' for text in texts)
    parts["xl/sharedStrings.xml"] = "spreadsheetml.sharedStrings", f"<sst {main}>{shared}</sst>"
    return _office("xl/workbook.xml", "application/xml", parts)


def slides(rows: Rows) -> bytes:
    """One slide for PowerPoint (ECMA-376 part 1 §19)."""
    draw = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
    show = 'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'
    texts = "".join(f"<a:p><a:r><a:t>{escape('  '.join(r))}</a:t></a:r></a:p>" for r in rows)
    slide = (
        f"<p:sld {draw} {show}><p:cSld><p:spTree><p:sp><p:txBody>{texts}</p:txBody></p:sp>"
        "</p:spTree></p:cSld></p:sld>"
    )
    return _office(
        "ppt/presentation.xml",
        "application/xml",
        {
            "ppt/presentation.xml": (
                "presentationml.presentation.main",
                f'<p:presentation {show} xmlns:r="{_OFFICE}"><p:sldIdLst><p:sldId id="256" '
                'r:id="rId1"/></p:sldIdLst></p:presentation>',
            ),
            "ppt/slides/slide1.xml": ("presentationml.slide", slide),
        },
    )


def open_document(kind: str) -> Callable[[Rows], bytes]:
    """Return what writes OpenDocument of this kind: text, spreadsheet or presentation."""
    media_type = OPEN_DOCUMENT + kind
    names = "".join(
        f' xmlns:{short}="urn:oasis:names:tc:opendocument:xmlns:{long}:1.0"'
        for short, long in (
            ("office", "office"),
            ("text", "text"),
            ("table", "table"),
            ("draw", "drawing"),
        )
    )

    def pack(rows: Rows) -> bytes:
        if len(rows[0]) == 1:
            body = "".join(f"<text:p>{escape(row[0])}</text:p>" for row in rows)
        else:
            lines = "".join(
                "<table:table-row>"
                + "".join(
                    f'<table:table-cell office:value-type="string"><text:p>{escape(cell)}</text:p>'
                    "</table:table-cell>"
                    for cell in row
                )
                + "</table:table-row>"
                for row in rows
            )
            body = f'<table:table table:name="Sheet1">{lines}</table:table>'
        if kind == "presentation":
            body = (
                '<draw:page draw:name="page1"><draw:frame><draw:text-box>'
                f"{body}</draw:text-box></draw:frame></draw:page>"
            )
        content = (
            f'<office:document-content{names} office:version="1.3"><office:body>'
            f"<office:{kind}>{body}</office:{kind}></office:body></office:document-content>"
        )
        manifest = (
            '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"'
            f' manifest:version="1.3"><manifest:file-entry manifest:full-path="/" '
            f'manifest:media-type="{media_type}"/><manifest:file-entry manifest:full-path='
            '"content.xml" manifest:media-type="text/xml"/></manifest:manifest>'
        )
        return zip_file(
            (
                ("mimetype", media_type),
                ("content.xml", XML + content),
                ("META-INF/manifest.xml", XML + manifest),
            )
        )

    return pack
