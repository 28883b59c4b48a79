"""HTML to text."""

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.mail.html import read_html


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
        pytest.param("a<!-- b -->c<!--> d", ["ac d"], id="comments"),
        pytest.param("a<!--[if mso]>b<![endif]-->c", ["abc"], id="Outlook shows its comments"),
        pytest.param("a<script>b<p></script>c", ["ac"], id="script"),
        pytest.param("a<STYLE>p>b{}</Style >c", ["ac"], id="style"),
        pytest.param("<title>News</title><body>b", ["News", "", "b"], id="title"),
        pytest.param("<textarea><b>t</b></textarea>", ["t"], id="text area"),
        pytest.param("<img alt='a cat'><a title=hi>b</a>", ["a cat hi b"], id="alt and title"),
        pytest.param("<img ALT=''>b", ["b"], id="empty alt"),
        pytest.param("<p style='display:none'>hidden</p>", ["hidden"], id="hidden text is kept"),
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


@given(
    st.lists(
        st.sampled_from(
            (
                *("<p>", "</p>", "<pre>", "</pre>", "<style>", "</style>", "<title>", "<!--"),
                *("-->", "<blockquote type=cite>", "</blockquote>", "<a b='", "<img alt=x>"),
                *("\n", "word"),
            )
        ),
        max_size=20,
    )
)
def test_any_tags_can_be_read(tags: list[str]) -> None:
    own, quoted = read_html("".join(tags))

    assert own.count("word") + quoted.count("word") <= tags.count("word")


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
    ],
)
def test_a_bomb_is_read_in_two_seconds(html: str) -> None:
    start = process_time()
    read_html(html)

    assert process_time() - start < 2
