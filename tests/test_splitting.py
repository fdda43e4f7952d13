import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation import recipe, splitting, walk, words
from curation.dedup import minhash
from curation.rules.c4 import C4Lines
from curation.rules.gopher import GopherQuality
from curation.rules.stop_words import STOP_WORDS
from curation.text import Text
from tests.cpu_limit import cpu_limit

CHINESE = "昨天晚上河水上涨，冲走了旧桥。我们去看看？"
JAPANESE = "夜のうちに川が増水し、古い橋を押し流した。誰も気づかなかった。"
THAI = "แม่น้ำขึ้นในตอนกลางคืนและพัดสะพานเก่าไป ชาวบ้านยังไม่ตื่นนอนในตอนเช้าของวันนั้น"
ARABIC = "ذهب الولد إلى المدرسة، وعاد. هل رأى الجسر؟ نعم"
HINDI = "नदी रात में बढ़ गई। गाँव सो रहा था।"
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
LANGUAGES = ("en", "de", "zh", "ja", "th", "ar", "hi", "ko", "", "no such")


@pytest.mark.parametrize(
    "language, text, expected",
    [
        ("zh", CHINESE, "昨天晚上 河水 上涨 ， 冲走 了 旧 桥 。 我们 去 看看 ？"),
        ("ja", "川が増水し、古い橋を押し流した。", "川 が 増水 し 、 古い 橋 を 押し 流 した 。"),
        ("th", "แม่น้ำขึ้นในตอนกลางคืน", "แม่น้ำ ขึ้น ใน ตอน กลาง คืน"),
        ("ar", ARABIC, "ذهب الولد إلى المدرسة ، وعاد . هل رأى الجسر ؟ نعم"),
        ("hi", HINDI, "नदी रात में बढ़ गई । गाँव सो रहा था ।"),
        ("km", "ទន្លេ\u200bបាន", "ទន្លេ បាន"),  # a blank of no width is none
        ("ko", "강물이 불어, 다리가 떠내려갔다.", "강물이 불어 , 다리가 떠내려갔다 ."),
        ("de", "Der Fluss, die Brücke.", "Der Fluss , die Brücke ."),
        ("zh", "", ""),
        ("zh", " \n ", ""),
    ],
    ids=range(10),
)
def test_words(language, text, expected):
    found = splitting.words(text, language)
    assert (found, splitting.num_words(text, language)) == (expected.split(), len(expected.split()))


@pytest.mark.parametrize(
    "language, text, expected",
    [
        ("zh", CHINESE, 2),
        ("zh", "河水上涨！！！冲走了旧桥……", 2),
        ("zh", "河水上涨了3.5米，冲走了旧桥", 1),
        ("ja", JAPANESE, 2),
        ("ar", ARABIC, 3),
        ("ur", "دریا چڑھ گیا۔ پل بہہ گیا۔", 2),
        ("hi", HINDI, 2),
        ("hy", "Գետը բարձրացավ։ Գյուղը քնած էր։", 2),
        ("am", "ወንዙ ሞላ። መንደሩ ተኝቶ ነበር።", 2),
        ("bo", "ཁྱེད་རང་ཚོ། དེ་རིང་།", 2),
        ("th", THAI, 2),
        ("tha_Thai", THAI, 2),
        ("th", "แม่น้ำ ขึ้น 2 วัน 1 คืน", 1),  # blanks behind few words
        ("en", "One. Two! Three", 3),
        ("ru", "Река поднялась. Деревня спала.", 2),
        ("zh", "", 0),
    ],
    ids=range(16),
)
def test_num_sentences(language, text, expected):
    assert splitting.num_sentences(text, language) == expected


def test_split_as_english():
    languages = "en de fr ru uk bg sr el vi tr id eng_Latn rus_Cyrl ell_Grek sr-Latn"
    assert all(map(splitting.is_split_as_english, languages.split()))


def test_split_as_their_scripts_are():
    languages = "zh zh-cn zh-Hant cmn_Hani ja jpn_Jpan th ko ar arb_Arab he hi ka hy am"
    assert not any(map(splitting.is_split_as_english, languages.split()))


@given(text=ANY_TEXT)
@settings(max_examples=200, deadline=None)
def test_english_is_what_it_was(text):
    for language in ("en", "de", ""):
        assert splitting.words(text, language) == words.words(text)
        assert splitting.num_sentences(text, language) == words.num_sentences(text)


@given(text=ANY_TEXT)
@settings(max_examples=200, deadline=None)
def test_no_character_is_lost_and_a_piece_is_split_alone(text):
    for language in LANGUAGES:
        pieces = text.split()
        found = splitting.split(pieces, language)
        assert found == [splitting.split([piece], language)[0] for piece in pieces]
        kept = [("".join(tokens), piece) for (tokens, _), piece in zip(found, pieces, strict=True)]
        assert all(
            [character for character in joined if character.isprintable()]
            == [character for character in piece if character.isprintable()]
            for joined, piece in kept
        )
        assert splitting.num_sentences(text, language) <= len(text)


@pytest.mark.slow
@pytest.mark.parametrize(
    "run", ["我", "の", "ก", "แม่น้ำ ", "ا", "\u0301", "[", "。", "a ", "a.", "👍\u200d", "가", "\0", "𠀀", "'"]
)
def test_time_is_linear(run):
    """200,000 characters of one kind; where time is quadratic they take minutes."""
    text = (run * 200_000)[:200_000]
    with cpu_limit():
        splitting.num_words(text, "th")
        splitting.num_sentences(text, "zh")


@pytest.mark.parametrize("language, content", [("zh", CHINESE), ("ja", JAPANESE), ("th", THAI), ("ar", ARABIC)])
def test_a_text_is_split_in_its_language(language, content):
    text = Text(f"{content}\n\n{content}", language=language)
    expected = splitting.words(content, language)
    assert (text.words, text.num_words) == (expected * 2, len(expected) * 2)
    assert Text(content, language=language).num_words == len(expected)
    assert [len(line) for line in text.split_pieces] == [len(content.split()), 0, len(content.split())]
    assert Text(content, before=text).words == expected


def test_sentences_of_c4_are_those_of_the_language():
    lines = C4Lines(end_mark=False, min_words=1, min_sentences=3)
    text = Text(f"{CHINESE}\n{CHINESE}[1]", language="zh")
    assert lines.measure(text)["num_sentences"] == 4
    assert lines.measure(Text(text.content))["num_sentences"] == 2


def test_shingles_are_of_the_words_of_the_language():
    found = minhash.shingles(CHINESE, 2, "zh", "fineweb")
    assert len(found) == len(splitting.words(minhash.normalize(CHINESE), "zh")) - 1
    assert len(minhash.shingles(CHINESE, 2, "en", "fineweb")) == 2  # what stands between marks
    english, german = (minhash.shingles("a river", 1, language, "fineweb") for language in ("en", "de"))
    assert english.tolist() == german.tolist()


def test_stop_words_are_words():
    """A word that its language's splitter does not give would never be found."""
    assert len(STOP_WORDS) >= 79
    for language, stop_words in STOP_WORDS.items():
        assert len(set(stop_words)) == len(stop_words) in (8, 16), language
        for word in stop_words:
            assert (splitting.words(word, language), word.lower()) == ([word], word), language


@pytest.mark.parametrize(
    "language, content",
    [("zh", CHINESE), ("ja", JAPANESE), ("ar", ARABIC), ("hi", HINDI)],
)
def test_gopher_counts_stop_words_of_the_language(language, content):
    rule = GopherQuality(stop_words=STOP_WORDS[language])
    assert rule.measure(Text(content, language=language))["stop_words"] >= 1
    assert rule.measure(Text("The river rose in the night.", language=language))["stop_words"] == 0


CHINESE_PAGE = (
    "河水在夜里上涨，冲走了村里的旧桥。第二天早上，人们站在岸边看着水流，不知道该怎么办。\n"
    "老木匠说，他年轻的时候也有过这样的洪水，那一次是全村的人一起修好了桥。于是大家决定在春天再修一座新的。\n"
    "他们从山上运来木头，和邻村的工人一起干了三个月，桥终于完成了。"
)


def test_fineweb_2_keeps_chinese_prose():
    """Steps after the duplicates; with the thresholds of English all of it is lost."""
    found = recipe.of_source(*recipe.read_source("fineweb2")).with_language("zh")
    document = walk.bare_document(CHINESE_PAGE, language="zh", language_score=0.99)
    kept = walk.later_steps(document, found.after).outcome
    assert getattr(kept, "text", kept) == CHINESE_PAGE
    lost = walk.later_steps(document, recipe.of_source(*recipe.read_source("fineweb")).with_language("zh").steps[4:8])
    assert lost.outcome.reason == "words_too_short"
