"""HTML to text."""

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.mail.hidden import fold_shown, show_hidden
from mailguard.mail.html import LINKS, Link, read_html, read_page


def lines(text: str) -> list[str]:
    """The lines of `text` without white space around them; blank lines kept once between."""
    stripped = [" ".join(line.split()) for line in text.strip().splitlines()]
    return [line for at, line in enumerate(stripped) if line or stripped[at - 1]]


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        pytest.param("", [], id="nothing"),
        pytest.param("just text", ["just text"], id="no tag"),
        pytest.param("<p>one</p><p>two</p>", ["one", "", "two"], id="paragraphs"),
        pytest.param("<div>one</div><div>two</div>", ["one", "two"], id="divs are lines"),
        pytest.param("one<br>two<BR/>three", ["one", "two", "three"], id="line breaks"),
        pytest.param("<ul><li>one<li>two</ul>", ["one", "", "two"], id="list"),
        pytest.param("<tr><td>a<td>b</tr><tr><td>c", ["a b", "", "c"], id="table"),
        pytest.param("hel<b>l</b><i>o</i>", ["hello"], id="inline tags join"),
        pytest.param("one\ntwo\r\n three", ["one two", "three"], id="source line ends"),
        pytest.param("<pre>one\ntwo</pre>", ["one", "two"], id="preformatted"),
        pytest.param("a &amp; b&lt;c&nbsp;d", ["a & b<c d"], id="entities"),
        pytest.param("&#104;&#x69; &#0000000104;i", ["hi hi"], id="numeric entities"),
        pytest.param("&#99999999999; &bogus;", ["\ufffd9999; &bogus;"], id="no entities"),
        pytest.param("a<!-- b -->c<!--> d", ["a b c d"], id="comments"),
        pytest.param("a<!---->b<!-->c<!--- d --!>e", ["abc- d e"], id="empty and odd comments"),
        pytest.param("a<!--[if mso]>b<![endif]-->c", ["abc"], id="Outlook shows its comments"),
        pytest.param("a<script>b<p></script>c", ["ac"], id="script"),
        pytest.param("a<STYLE>p>b{}</Style >c", ["ac"], id="style"),
        pytest.param("<title>News</title><body>b", ["News", "", "b"], id="title"),
        pytest.param("<textarea><b>t</b></textarea>", ["t"], id="text area"),
        pytest.param("<img alt='a cat'><a title=hi>b</a>", ["a cat hi b"], id="alt and title"),
        pytest.param("<img ALT=''>b", ["b"], id="empty alt"),
        pytest.param("<p style='display:none'>hidden</p>", ["hidden"], id="hidden text is kept"),
        pytest.param("<input value=v><button>b</button>", ["v b"], id="fields"),
        pytest.param("<input placeholder='a hint'>", ["a hint"], id="hint in a field"),
        pytest.param("a\x0eb\x0fc", ["a b c"], id="marks of ours in the page"),
        pytest.param("1 < 2 <3 <>", ["1 < 2 <3 <>"], id="signs that are no tags"),
        pytest.param('<a b=">" c>d', ["d"], id="bracket in quotes"),
        pytest.param('<a b=x">c', ["c"], id="quote inside an unquoted value"),
        pytest.param('<a =">c', ["c"], id="quote in a name"),
        pytest.param("<a it's>b</a> c's", ["b c's"], id="apostrophe in a tag"),
        pytest.param('<a b="c>d <i>e</i>', ["d e"], id="tag never closed"),
        pytest.param("<!DOCTYPE html><?xml?></ >a", ["a"], id="declarations"),
        pytest.param("<style><a b='</style>c'>d", ["c'>d"], id="no tag inside a style"),
    ],
)
def test_a_page_reads_as_it_is_shown(html: str, expected: list[str]) -> None:
    own, quoted = read_html(html)

    assert (expected, "") == (lines(own), quoted)


def shown(html: str) -> list[str]:
    """The lines that a reader of the page sees, folded."""
    return lines(fold_shown(*show_hidden(read_page(html).marked)).text)


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        pytest.param("a<b style=display:none>x</b>b", ["ab"], id="display"),
        pytest.param("a<b style='display:none'>x<i>y</b>b", ["ab"], id="left open inside"),
        pytest.param("<div><b hidden>x</div>b", ["b"], id="ended with its parent"),
        pytest.param("<p hidden>x<p>b", ["b"], id="ended by the next"),
        pytest.param("<li hidden>x<li>b", ["b"], id="list item ended by the next"),
        pytest.param("<tr><td hidden>x<td>b", ["b"], id="cell ended by the next"),
        pytest.param("<b hidden>x</i>y</b>b", ["b"], id="end of what is not open"),
        pytest.param("<br hidden>b<img hidden>c", ["bc"], id="elements without an end"),
        pytest.param("a<p style=display:none>x<br>y</p>b", ["ab"], id="no lines of what is gone"),
        pytest.param("a<p style=color:white>x</p>b", ["a", "", "b"], id="lines of what is white"),
        pytest.param(
            "<b style='visibility:hidden'>x<i style='visibility:visible'>b</i></b>",
            ["b"],
            id="visible inside",
        ),
        pytest.param(
            "<b style='font-size:0'>x<i style='font-size:12px'>b</i></b>", ["b"], id="large inside"
        ),
        pytest.param(
            "<b style='display:none'>x<i style='display:inline'>y</i></b>b", ["b"], id="gone inside"
        ),
        pytest.param("<body bgcolor=black><font color=#111>x</font>", [], id="black on black"),
        pytest.param("<body bgcolor=black><font color=#fff>b</font>", ["b"], id="white on black"),
        pytest.param(
            "<td style='background:#00f url(x)'><b style='color:#00f'>b</b>",
            ["b"],
            id="on a picture",
        ),
        pytest.param("<b style='background:navy;color:#fff'>b</b>", ["b"], id="a button"),
        pytest.param("<p style='color:inherit;opacity:.9'>b", ["b"], id="ordinary styles"),
        pytest.param("<p style='font:bold 11pt/1.2 Arial'>b", ["b"], id="ordinary font"),
        pytest.param("<p style='margin:0;width:0'>b", ["b"], id="overflowing"),
        pytest.param("<b style='dis&#112;lay:n&#111;ne'>x</b>b", ["b"], id="references in a style"),
        pytest.param("<b style='d\\69 splay:\\6Eon\\65'>x</b>b", ["b"], id="escapes in a style"),
        pytest.param("<b style='display:\\ffffff\\'>b", ["b"], id="odd escapes in a style"),
        pytest.param("<style>#q{opacity:0}</style><b id=q>x</b>b", ["b"], id="style of an id"),
        pytest.param("<style>b{display:none}</style><b>x</b>b", ["b"], id="style of elements"),
        pytest.param(
            "<style>@media all{/* */ div .q , i{visibility:hidden}}</style><b class=Q>x</b>b",
            ["b"],
            id="style of a class for media",
        ),
        pytest.param(
            "<style>.q{opacity:0}</style><a class=q href=1>x</a><a class=p>b</a><a class=q>y",
            ["b"],
            id="styled alike, leading elsewhere",
        ),
        pytest.param(
            "<i style=color:white>x</i><div style=background:red><i style=color:white>b</i></div>",
            ["b"],
            id="styled alike in other looks",
        ),
        pytest.param(
            "<b class=q style=top:0>b</b><style>.q{opacity:0}</style><b class=q style=top:0>x</b>",
            ["b"],
            id="styled alike before the sheet",
        ),
        pytest.param("<b title=x>b</b><img alt=y>", ["b"], id="alt and title"),
        pytest.param("a<!-- x -->b", ["ab"], id="comment"),
        pytest.param("a<!--[if mso]>x<br><![endif]-->b", ["ab"], id="comment of Outlook's"),
        pytest.param("<!--[if !mso]><!-->b<!--<![endif]-->c", ["bc"], id="comment against Outlook"),
        pytest.param("a&<i hidden>x</i>amp;b", ["a&amp;b"], id="no entity across hidden text"),
        pytest.param("<blockquote type=cite hidden>x</blockquote>b", [">", "b"], id="quotation"),
    ],
)
def test_what_is_not_seen_is_marked(html: str, expected: list[str]) -> None:
    actual = shown(html)

    assert expected == actual


def test_links_have_what_is_seen_of_them_and_where_they_lead() -> None:
    page = read_page(
        '<a href="https://a.example/?x=1&amp;y=2">Your <b>bank</b><i hidden>!</i></a>'
        "<a name=b>no link</a><a href=c.html><img alt=d></a><a href='e'>never closed"
    )

    assert (
        Link(text="Your bank!", target="https://a.example/?x=1&y=2"),
        Link(text="d", target="c.html"),
        Link(text="never closed", target="e"),
    ) == page.links


def test_links_are_counted_up_to_a_limit() -> None:
    page = read_page("<a href=a>b</a>" * (LINKS + 1))

    assert LINKS == len(page.links)


def test_images_are_counted_by_where_they_come_from() -> None:
    page = read_page(
        "<img src=http://a.example/1><IMG SRC='//a.example/2'>"
        "<img src=cid:3><img src='data:x'><img>"
    )

    assert (2, 3) == (page.remote_images, page.inline_images)


@pytest.mark.parametrize(
    ("html", "own", "quoted"),
    [
        pytest.param(
            "mine<blockquote type=cite>theirs</blockquote>after",
            ["mine", ">", "after"],
            ["theirs"],
            id="marked",
        ),
        pytest.param(
            'mine<div class="gmail_quote">Ben wrote:<br>'
            '<blockquote class="gmail_quote">theirs</blockquote></div>',
            ["mine", "Ben wrote:", "", ">"],
            ["theirs"],
            id="Gmail",
        ),
        pytest.param(
            "Ben wrote:<br></div><blockquote>theirs</blockquote>",
            ["Ben wrote:", "", ">"],
            ["theirs"],
            id="after a colon",
        ),
        pytest.param(
            "<blockquote type=cite>one<blockquote>two</blockquote>three</blockquote>mine",
            [">", "mine"],
            ["one", "", "two", "", "three"],
            id="nested",
        ),
        pytest.param(
            "mine<blockquote type=cite>never closed",
            ["mine", ">"],
            ["never closed"],
            id="never closed",
        ),
        pytest.param(
            "mine<blockquote>indented</blockquote>", ["mine", "", "indented"], [], id="indented"
        ),
        pytest.param("a</blockquote>b", ["a", "", "b"], [], id="end without a beginning"),
    ],
)
def test_quotations_are_told_apart(html: str, own: list[str], quoted: list[str]) -> None:
    actual = read_html(html)

    assert (own, quoted) == (lines(actual[0]), lines(actual[1]))


@given(st.text(alphabet="<>/!-=\"' \nab&#x1;[]", max_size=80))
def test_any_text_can_be_read(html: str) -> None:
    own, quoted = read_html(html)

    assert "" == quoted
    assert len(own) <= 3 * len(html)
    assert not {"\x0e", "\x0f"} & {*own, *quoted}


@given(
    st.lists(
        st.sampled_from(
            (
                *("<p>", "</p>", "<pre>", "</pre>", "<style>", "</style>", "<title>", "<!--"),
                *("-->", "<blockquote type=cite>", "</blockquote>", "<a b='", "<img alt=x>"),
                *("\n", "word", "<b hidden>", "</b>", "<i style=color:white>", "</i>"),
                *("<!--[if mso]>", "<![endif]-->", "<a href=x>", "</a>"),
            )
        ),
        max_size=20,
    )
)
def test_any_tags_can_be_read(tags: list[str]) -> None:
    page = read_page("".join(tags))

    words = page.own.count("word") + page.quoted.count("word")
    assert words <= tags.count("word")
    text, hidden = show_hidden(page.marked)
    assert text == page.own
    assert all(0 <= start < end <= len(text) for start, end in hidden)
    assert sorted(hidden) == list(hidden)
    folded = fold_shown(text, hidden)
    for at in range(len(folded.text)):
        start, end = folded.span(at, at + 1)
        assert not any(first < end and start < last for first, last in hidden)


@pytest.mark.parametrize(
    "html",
    [
        pytest.param("<a " + "b " * 200_000 + ">", id="200,000 attributes"),
        pytest.param("<div>" * 200_000, id="200,000 levels"),
        pytest.param("<p>" + "<b i=1>" * 1_000 + "</p>" + "<p>x</p>" * 3_000, id="misnested"),
        pytest.param("<blockquote>" * 50_000, id="quotations"),
        pytest.param("<" * 500_000, id="brackets"),
        pytest.param('<a b="' * 100_000, id="open quotes"),
        pytest.param("<a b='c\" " * 100_000, id="mixed quotes"),
        pytest.param("<style>" * 100_000, id="styles"),
        pytest.param("<style></style " * 50_000, id="ends of styles"),
        pytest.param("<!--" * 100_000, id="comments"),
        pytest.param("<!--" + "-" * 500_000, id="dashes"),
        pytest.param("&#" + "0" * 500_000, id="a long entity"),
        pytest.param("&#0000" * 100_000, id="entities"),
        pytest.param("<a" + " =" * 250_000, id="equals signs"),
        pytest.param("<b hidden>" * 100_000, id="hidden levels"),
        pytest.param("<b hidden>x</b>y" * 30_000, id="hidden text"),
        pytest.param("<p style='color:red'></i>" * 20_000, id="ends of nothing"),
        pytest.param("<img" + " alt=x" * 200_000 + ">", id="alternative texts"),
        pytest.param(f"<p style='{'a' * 500_000}'>", id="a long style"),
        pytest.param("<p style='" + "a:none;" * 100_000 + "'>", id="declarations"),
        pytest.param(f"<style>{'a' * 500_000}</style><p hidden>", id="a long sheet"),
        pytest.param(f"<style>{'a{b:none}' * 50_000}</style><p hidden>", id="rules"),
        pytest.param("<style>" + "a{" * 250_000 + "</style><p hidden>", id="open rules"),
        pytest.param("<style>/*</style><p hidden>" * 20_000, id="open sheets"),
        pytest.param("<style>.a{top:0}</style>" + "<p class=a>" * 50_000 + "none", id="classes"),
        pytest.param("<a href=b>" * 50_000, id="links"),
        pytest.param("<!--[if" * 100_000, id="conditions"),
    ],
)
def test_a_bomb_is_read_in_two_seconds(html: str) -> None:
    start = process_time()
    read_html(html)

    assert process_time() - start < 2
