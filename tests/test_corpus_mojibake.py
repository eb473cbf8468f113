import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from searchkit.corpus.mojibake import repair

SENTENCES = {
    "Thai": [
        "เราศึกษาการก่อตัวของดาราจักรในเอกภพยุคแรกโดยใช้ข้อมูลใหม่",
        "ผลการทดลองแสดงว่าโปรตีนนี้ช่วยซ่อมแซม DNA ได้จริง…",
        "รกและลมหายใจ (ยุง ๒ ชนิด) มีความสุขุมมากกว่า 30 ปี",
    ],
    "French": [
        "Nous étudions l’évolution des étoiles à neutrons « très âgées », où la pâte naît.",
        "L’œuvre est achevée : voilà le café\u00a0»… Déjà ÉTÉ”, où ça ?",
        "La température décroît de 30 °C à 20 °C – soit 5 µm de moins.",
    ],
    "Vietnamese": [
        "Chúng tôi nghiên cứu sự hình thành của các thiên hà ở dịch chuyển đỏ cao.",
        "Kết quả cho thấy nhiệt độ ảnh hưởng mạnh đến tốc độ phản ứng.",
    ],
    "Greek": [
        "Μελετάμε τον σχηματισμό των γαλαξιών στο πρώιμο σύμπαν με νέα δεδομένα.",
        "Η θερμοκρασία αυξάνεται, άρα η ένταση μειώνεται κατά το ήμισυ…",
    ],
    "Czech": [
        "Zkoumáme vznik galaxií v raném vesmíru; příliš žluté světlo hvězd měříme šetrně.",
        "Účinek léčby závisí na dávce – čím větší, tím lépe („ÚŽAS“).",
    ],
    "Arabic": [
        "ندرس تكوّن المجرّات في الكون المبكّر باستخدام بيانات جديدة، ونقارن النتائج.",
        "تظهر التجربة أنّ «البروتين» يصلح الحمض النووي… خلال ٣٠ دقيقة؟",
        "که رگ و چشم در این پژوهش بررسی شدند؛ طول موج",
    ],
    "Russian": ["Мы изучаем «раннюю» Вселенную… Ёлка стоит 5 ₽; ещё раз."],
    "English": [
        "The β-catenin level was 5 ± 2 µm — “high” at 30 °C, with ΔNp63 × 4 Å–6 Å.",
        "From 4000 Å–7000 Å— as TGF-ß” shows — naïve Schrödinger’s cafés…",
    ],
}
FLAT = [(language, text) for language, texts in SENTENCES.items() for text in texts]
CODE_PAGES = ["latin-1", "cp1252", "cp874", "cp1256", "koi8-r"]
WINDOWS_THAI = {0xDB: "\uf8c1", 0xDC: "\uf8c2", 0xDD: "\uf8c3", 0xDE: "\uf8c4"}


def misread(text: str, code_page: str, undefined=chr) -> str:
    """The UTF-8 bytes as the code page shows them; bytes it does not define pass through."""
    shown = ((bytes([byte]).decode(code_page, "ignore"), byte) for byte in text.encode())
    return "".join(character or undefined(byte) for character, byte in shown)


@pytest.mark.parametrize(("language", "text"), FLAT)
def test_sound_text_is_never_touched(language, text):
    assert repair(text) == text
    assert repair(unicodedata.normalize("NFD", text)) == unicodedata.normalize("NFD", text)
    for word in text.split():
        assert repair(word) == word


@settings(deadline=None, max_examples=50)
@given(st.lists(st.sampled_from([text for _, text in FLAT]), max_size=4))
def test_sound_texts_of_several_languages_are_never_touched(texts):
    assert repair(" ".join(texts)) == " ".join(texts)


@pytest.mark.parametrize("code_page", CODE_PAGES)
@pytest.mark.parametrize(("language", "text"), FLAT)
def test_repairing_undoes_misreading(language, text, code_page):
    broken = misread(text, code_page)
    assert broken != text
    assert repair(broken) == text
    assert repair(repair(broken)) == text


@settings(deadline=None, max_examples=50)
@given(
    st.sampled_from(sorted(SENTENCES)),
    st.sampled_from(["cp1252", "latin-1", "cp874"]),
    st.integers(2, 5),
)
def test_repairing_undoes_misreading_of_longer_texts(language, code_page, n):
    text = " ".join(SENTENCES[language] * n)
    assert repair(misread(text, code_page)) == text


@pytest.mark.parametrize(
    ("broken", "meant"),
    [
        ("The role of Î”Np63", "The role of ΔNp63"),
        ("2 Ã— 3 â€“ 4", "2 × 3 – 4"),
        ("β-catenin and Î±-synuclein", "β-catenin and α-synuclein"),
        ("it\x92s", "it’s"),
        ("Â°C here and °C there", "°C here and °C there"),
        ("The ฮฒ-catenin of cafรฉ โ€“ “so”", "The β-catenin of café – “so”"),
        ("n = 5 — ุงู„ูƒูˆู† ุงู„ู…ุจูƒุฑ", "n = 5 — الكون المبكر"),
    ],
)
def test_broken_pieces_inside_sound_text_are_repaired(broken, meant):
    assert repair(broken) == meant


def test_thai_bytes_that_windows_maps_to_private_characters_are_known():
    text = "این پژوهش دربارهٔ یادگیری است"  # Persian: its ya and kaf begin with DB and DA
    assert repair(misread(text, "cp874", undefined=lambda b: WINDOWS_THAI.get(b, chr(b)))) == text


def test_a_truncated_text_is_repaired_up_to_its_end():
    text = SENTENCES["Arabic"][0].rstrip(".")
    assert repair(misread(text, "cp874")[:-1])[:-1] == text[:-1]


@pytest.mark.parametrize("text", ["", "plain ASCII", "ยกลง", "รก", "«»…", "\x00", "ab\ud800"])
def test_what_is_too_little_to_judge_stays(text):
    assert repair(text) == text


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=60))
def test_any_text_has_a_repair_and_ascii_is_its_own(text):
    assert isinstance(repair(text), str)
    assert (
        repair(text.encode("ascii", "ignore").decode()) == text.encode("ascii", "ignore").decode()
    )


@pytest.mark.data
def test_few_real_passages_are_suspected(real_data):
    import gzip

    import orjson

    with gzip.open(real_data / "arabic_qa" / "corpus.jsonl.gz") as lines:
        texts = [orjson.loads(line)["text"] for line in lines]
    assert sum(repair(text) != text for text in texts) < 0.03 * len(texts)
    sound = [text for text in texts if repair(text) == text]
    assert [repair(misread(text, "cp874")) for text in sound] == sound
