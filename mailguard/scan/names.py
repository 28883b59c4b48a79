"""Names that are common words of English too: "Will May", "Grace Hope"."""

_COMMON = """
abbot abbott amber angel apple april archer art ash august autumn baker ball banks barber barker
barn bay beach bean bear beck becker bell berry best bill bird bishop black blaze bliss bloom
blossom blue bond booth bow bowen bowl bowman box boy branch brand brandy bridge bridges brook
brooke brooks brown buck bull burn burns bush butler cane care carol carpenter carter cash chance
charity chase chip christian church clay cliff coach cole coleman cook cooper cope corner cotton
court crane crisp cross crystal curry daisy dale dawn day deal dean dear destiny dick dixon dolly
drake drew driver duke eagle earl early east eden elder ember eve ever faith farmer fern field
fielder fields finch fisher fleet fletcher flint flora flower floyd ford forest forge foster fox
frank free freeman french frost fry fuller gale gardener gardner gates gay gene gift glass glen
glory gold golden good goodman grace grant gray green grey grove guy hall happy hardy harmony
harper hart harvest haven hawk hay hazel head heart heath heather heaven hill hills hire holiday
hollow holly honey hood hook hope house hunt hunter ice iris iron ivory ivy jack jade jasmine jay
jet jewel jewell john joy june justice key kidd kind king kitty knight knox lake lamb land lane
large lark lavender law lee legend lightfoot lily lines little lock long lord love loyal luck lucky
lynn mark marks mars marsh marshall martin mason masters matt max may mead meadow melody mercy
merit merry miles mill miller mills mint mist moon moor moore moss music myrtle nash neat new nick
night noble noon north oak ocean olive page paige paint palmer park parker parks parrish parsons
pat patch patience peace peach pearl penny pepper piper pitt poet pole pond poole pope poppy porter
post potter power precious price pride prince princess purdy quick quill rain raven ray read reed
reef reeve rich rider rise ritter river rivers roads rob robin rock rocket roman romany rose
rosemary rowan royal ruby rush rusty sage sailor saint salmon sam sand sandy sawyer school sea seal
sharp shepherd short silver singer skipper sky slater small smart smith snow south sparrow spring
stamp star starr steel stone storm story street strong stuart sue summer summers sun sunday sunny
swan swift sydney tailor tanner taylor teal temple terry thorn tiger toller tower town trinity trip
true tucker turner valentine vernon victory viola violet violets waite walker wall walls ward
waters way weaver webb weeks welcome wells west wheeler whistler white wild wilder will willow
wills winter winters wise wish wolf wood woods word work wren wright york young
"""
_WORDS = frozenset(_COMMON.split())


def is_also_a_word(name: str) -> bool:
    """Whether folded `name`, one word, is a word that people write in small letters too."""
    return name in _WORDS
