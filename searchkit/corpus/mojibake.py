"""UTF-8 text that was read with a wrong code page -> the text that was meant."""

from __future__ import annotations

import re
from codecs import charmap_encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

# What the second and later bytes of a UTF-8 character (80 to BF) look like where they are no
# letters: C1 controls, the signs of Latin-1 and Windows, the boxes of KOI8-R.
_SIGNS = "\x80-\xbf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ─-■∙√≈≤≥⌠⌡"
_LEADS = "Â-ôА-яЁёђѓ"  # what the first byte looks like in western and Cyrillic pages,
_ARABIC_LEADS = "آأؤإخدذرطظ"  # and in the Arabic one
_SUSPECT = re.compile(  # one character class first, so that sound text costs one scan
    rf"[{_SIGNS}ก-๛](?:(?<=[\x80-\x9f])|(?<=[{_LEADS}{_ARABIC_LEADS}ก-๛][{_SIGNS}])"
    r"|(?<=(?<![ก-๛])[ย-๏][ก-ฟ]))"
)
_FIRST_BYTES = ((0xC2, 0xDF), (0xE0, 0xEF), (0xF0, 0xF4))  # of two, three and four bytes
_C1 = re.compile(r"[\x80-\x9f]")
_SIGN = re.compile(rf"[{_SIGNS}]")
_WESTERN = re.compile(rf"[{_SIGNS}](?:(?<=[\x80-\x9f])|(?<=[{_LEADS}][{_SIGNS}]))")
_ARABIC, _CYRILLIC = "ء-ي٠-ۿ", "Ѐ-џҐґ"
_PAGES = (("cp874", "ก-๛"), ("cp1256", _ARABIC), ("koi8-r", _CYRILLIC), ("cp1251", _CYRILLIC))
# Windows gives these private characters to the bytes that cp874 leaves undefined
_PRIVATE = {0xF8C1 + n: byte for n, byte in enumerate(b"\xdb\xdc\xdd\xde\xfc\xfd\xfe\xff")}


def repair(text: str) -> str:
    """The text that was meant, or the text itself where it is sound or beyond repair.

    Thai, Arabic and Cyrillic code pages are undone here, western ones by ftfy. Sound text in any
    script stays as it is. Text with one misread letter may stay as it is, too.
    """
    if text.isascii() or not _SUSPECT.search(text):
        return text
    for page in _code_pages():
        if (meant := page.undo(text)) is not None:
            return meant
    if not _WESTERN.search(text):
        return text
    import ftfy

    return ftfy.fix_encoding(text)


@dataclass(frozen=True, slots=True)
class _CodePage:
    """A single-byte code page, and what UTF-8 looks like in it."""

    bytes_of: dict[int, int]  # code point -> 00 to FF
    sequence: re.Pattern[str]  # one character of UTF-8, two to four bytes
    letter: re.Pattern[str]  # of the script that the page is for

    def undo(self, text: str) -> str | None:
        """The text with its bytes decoded as UTF-8; None where it does not look misread."""
        if not self.letter.search(text):
            return None
        meant = self._decode(text)
        if meant is not None and _is_enough([c for c in meant if not c.isascii()], text):
            return meant
        return self._undo_parts(text)

    def _undo_parts(self, text: str) -> str | None:
        """The same where other characters stand between the misread ones.

        In misread text hardly a letter of the script stands outside such sequences; in text
        that is of the script they are accidents among many other letters.
        """
        found = [s for s in self.sequence.findall(text) if self._is_misread(s)]
        if not _is_enough(found, "".join(found)):
            return None
        n_inside = sum(len(self.letter.findall(s)) for s in found)
        n_outside = len(self.letter.findall(text)) - n_inside
        if n_outside * 10 > n_inside:
            return None
        return self.sequence.sub(lambda match: self._decode(match[0]) or match[0], text)

    def _is_misread(self, sequence: str) -> bool:
        return bool(self.letter.search(sequence)) and self._decode(sequence) is not None

    def _decode(self, misread: str) -> str | None:
        try:
            meant = charmap_encode(misread, "strict", self.bytes_of)[0].decode()
        except UnicodeError:
            return None
        return None if _C1.search(meant) else meant


def _is_enough(found: Sequence[str], misread: str) -> bool:
    """Whether it cannot be chance: a sign where a letter belongs, or several sequences."""
    return len(found) >= 3 or (len(found) > 0 and _SIGN.search(misread) is not None)


@cache
def _code_pages() -> tuple[_CodePage, ...]:
    return tuple(_code_page(codec, letters) for codec, letters in _PAGES)


def _code_page(codec: str, letters: str) -> _CodePage:
    bytes_of = {byte: byte for byte in range(0xA0)}
    bytes_of |= _PRIVATE if codec == "cp874" else {}
    for byte in range(0x80, 0x100):
        if character := bytes([byte]).decode(codec, "ignore"):
            bytes_of[ord(character)] = byte
        else:  # an undefined byte passes through, or is shown as western Windows shows it
            for character in {chr(byte), bytes([byte]).decode("cp1252", "ignore")} - {""}:
                bytes_of.setdefault(ord(character), byte)
    later = _within(bytes_of, 0x80, 0xBF)
    two, three, four = (_within(bytes_of, *ends) for ends in _FIRST_BYTES)
    pattern = f"[{two}][{later}]|[{three}][{later}]{{2}}|[{four}][{later}]{{3}}"
    return _CodePage(bytes_of, re.compile(pattern), re.compile(f"[{letters}]"))


def _within(bytes_of: dict[int, int], low: int, high: int) -> str:
    return re.escape("".join(chr(code) for code, byte in bytes_of.items() if low <= byte <= high))
