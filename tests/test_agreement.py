import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.extraction.agreement import settle

ONE = "The river rose in the night and carried the old bridge away, before anyone in the village had woken up."
TWO = "By the morning only the two stone pillars were left, and the ferryman was asked to bring people across."
THREE = "He had not worked for eleven years, and his boat leaked, but there was nobody else who knew the water."
ELSEWHERE = "Quarterly figures of seventeen companies follow, none of which builds boats, sorted by their turnover."
MAIN = f"{ONE}\n{TWO}\n{THREE}"


class Other:
    """The second extraction, which counts how often it is asked for."""

    def __init__(self, text=""):
        self.text = text
        self.num_calls = 0

    def __call__(self):
        self.num_calls += 1
        return self.text


def never():
    raise AssertionError("the other text was asked for")


def test_a_text_that_the_witness_agrees_with_is_kept_and_no_other_is_asked_for():
    assert settle(MAIN, never, MAIN) == MAIN
    assert settle(MAIN, never, f"Menu\n{MAIN}\nFoot") == MAIN


def test_words_count_in_any_order_and_case_without_punctuation():
    assert settle(MAIN, never, " ".join(reversed(MAIN.upper().replace(",", " ;").split()))) == MAIN


@pytest.mark.parametrize("num_others, num_calls", [(0, 0), (2, 0), (3, 1)])
def test_nine_tenths_of_the_words_are_enough_and_less_are_not(num_others, num_calls):
    """F1 of 1, of 2 * 18 / 40, and of 2 * 17 / 40."""
    words = [f"word{letter}" for letter in "abcdefghijklmnopqrst"]
    text = " ".join([*words[num_others:], *(f"else{number}" for number in range(num_others))])
    other = Other()
    assert settle(text, other, " ".join(words)) == text
    assert other.num_calls == num_calls


def test_the_text_that_agrees_more_is_taken():
    too_much, right = f"{MAIN}\n{ELSEWHERE}\n{ELSEWHERE.upper()}", Other(MAIN)
    assert settle(too_much, right, MAIN) == MAIN
    assert right.num_calls == 1
    assert settle(f"{ONE}\n{TWO}", Other(ONE), MAIN) == f"{ONE}\n{TWO}"


def test_the_first_is_taken_where_both_agree_as_much():
    assert settle(f"{ONE}\n{TWO}", Other(f"{TWO}\n{ONE}"), MAIN) == f"{ONE}\n{TWO}"
    assert settle(ELSEWHERE, Other(ELSEWHERE.upper()), MAIN) == ELSEWHERE


def test_a_repeated_word_counts_as_often_as_it_stands_in_both():
    assert settle("boat " * 50, Other("boat ferry"), "boat ferry water") == "boat ferry"


def test_short_lines_that_the_witness_has_nowhere_are_dropped():
    text = f"Share this\n{ONE}\nRead more\n{TWO}\n{THREE}\nPrint"
    assert settle(text, never, MAIN) == MAIN


def test_short_lines_that_the_witness_has_are_kept_however_they_are_written():
    text = f"The Bridge!\n{ONE}\nAt 5 o'clock\n{TWO}\n{THREE}"
    assert settle(text, never, f"THE  BRIDGE {MAIN} at 5 o’clock") == text


@pytest.mark.parametrize("length, is_kept", [(80, False), (81, True)])
def test_long_lines_are_kept_without_the_witness(length, is_kept):
    line = ("a line that says nothing of bridges nor of boats " * 3)[:length]
    expected = f"{MAIN}\n{line}" if is_kept else MAIN
    assert settle(f"{MAIN}\n{line}", lambda: "", MAIN) == expected


def test_blank_lines_stay():
    assert settle(f"{ONE}\n\n{TWO}\n{THREE}", never, MAIN) == f"{ONE}\n\n{TWO}\n{THREE}"


def test_short_cells_that_the_witness_has_nowhere_are_dropped_and_rows_become_lines():
    text = f"| Home | {ONE} |\n| {TWO} | Read more |\n| Home | Print |\n{THREE}\n|||"
    assert settle(text, never, MAIN) == MAIN
    assert settle(f"| 1907 | {ONE} |\n{TWO}\n{THREE}", never, f"1907 {MAIN}") == f"1907 {MAIN}"


def test_the_line_below_the_head_of_a_table_is_no_text():
    assert (
        settle(f"| Year | Bridge |\n|---|---|\n| - | {ONE} |", never, f"Year Bridge {ONE}") == f"Year Bridge\n- {ONE}"
    )


def test_stray_lines_stay_where_the_witness_is_about_something_else():
    text = f"Share this\n{MAIN}\n| Read | more |"
    assert settle(text, Other(), ELSEWHERE) == text


def test_stray_lines_are_dropped_from_the_other_text_too():
    assert settle(ELSEWHERE, Other(f"{MAIN}\nShare this"), MAIN) == MAIN


def test_next_to_nothing_gives_the_witness():
    assert settle("", Other(), MAIN) == MAIN
    assert settle("x" * 5, Other("y"), MAIN) == MAIN  # 5 of 310 characters
    assert settle("x" * 7, Other(), MAIN) == "x" * 7


@pytest.mark.parametrize("witness", ["", " \n", "— · —"])
def test_a_witness_that_found_nothing_changes_nothing(witness):
    assert settle(f"Share this\n{MAIN}", Other(ONE), witness) == f"Share this\n{MAIN}"
    assert settle("", Other(), "") == ""


def test_the_other_is_not_taken_for_finding_nothing_either():
    assert settle(MAIN, Other(""), "") == MAIN


@pytest.mark.parametrize(
    "one, two, stray",
    [
        ("河水在夜里上涨，冲走了旧桥，村里还没有人醒来。", "早晨只剩下两根石柱，人们请来了摆渡人。", "分享到微博"),
        ("夜のうちに川が増水し、古い橋を流してしまった。", "朝には二本の石柱だけが残っていた。", "シェアする"),
        ("แม่น้ำเอ่อขึ้นในตอนกลางคืนและพัดสะพานเก่าไป", "ตอนเช้าเหลือเพียงเสาหินสองต้น", "แบ่งปัน"),
        ("강물이 밤사이 불어나 낡은 다리를 쓸어 갔다.", "아침에는 돌기둥 두 개만 남아 있었다.", "공유하기"),
    ],
    ids=["Chinese", "Japanese", "Thai", "Korean"],
)
def test_scripts_without_spaces_agree_by_character(one, two, stray):
    """The witness breaks its lines elsewhere, which would make all words other ones."""
    text = f"{one}{two}" * 3
    witness = "\n".join(text[start : start + 7] for start in range(0, len(text), 7))
    assert settle(f"{stray}\n{text}", Other(), witness) == text
    assert settle(stray * 9, Other(text), witness) == text


texts = st.lists(st.sampled_from([ONE, TWO, THREE, ELSEWHERE, "Share this", "| a | b |", "|", "", "河水", "\r"])).map(
    "\n".join
)


@given(texts, texts, texts)
def test_the_result_is_one_of_the_texts_less_some_of_its_lines(first, second, witness):
    found = settle(first, lambda: second, witness)
    sources = [first, second, witness]
    kept = [line for line in found.split("\n") if line]
    assert any(all(line in source or not line.strip("ab ") for line in kept) for source in sources)
    assert settle(first, lambda: second, witness) == found
    if witness.strip() and first == second == "":
        assert found == witness
