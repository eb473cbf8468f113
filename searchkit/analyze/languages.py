"""Language names -> stop words and the normalisation that comes before stemming."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from searchkit.analyze.scientific import fold_accents

# Function words only. A paper may well be about "effect", "system" or "first".
_ENGLISH = """
a about after again against all also although am among an and any are aren as at be because been
before being below between both but by can cannot could couldn did didn do does doesn doing don down
during each either etc few for from further had hadn has hasn have haven having he hence her here
hers herself him himself his how however i if in into is isn it its itself just may me might more
most must my myself neither no nor not now of off on once only or other ought our ours ourselves out
over own per same shall she should shouldn since so some such than that the their theirs them
themselves then there thereby therefore these they this those through thus to too toward towards
under until up upon us very via was wasn we were weren what when where whereas whether which while
who whom whose why will with within without would wouldn yet you your yours yourself yourselves
"""

_ARABIC = """
من في على إلى عن مع هذا هذه ذلك تلك هؤلاء أولئك الذي التي الذين اللذان اللتان اللاتي هو هي هم هن هما
أنا نحن أنت أنتم كان كانت كانوا يكون تكون ليس ليست لم لن لا ما ماذا متى أين كيف كم هل لماذا أي أية
أن
إن أنه أنها إنه إنها كما لكن ولكن بل أو أم ثم حتى قد لقد منذ عند عندما بعد قبل بين خلال حول دون غير
كل بعض به بها فيه فيها منه منها عليه عليها له لها لهم إليه إليها عنه عنها و ف ب ل ك وهو وهي وقد وفي
ومن وأن التى فى الى إذا إذ حيث أيضا سوى
"""

_ARABIC_STEPS = (
    (
        r"[\x{0610}-\x{061a}\x{064b}-\x{065f}\x{0670}\x{06d6}-\x{06ed}\x{0640}]",
        "",
    ),  # marks, tatweel
    (r"[\x{0622}\x{0623}\x{0625}\x{0671}]", "ا"),
    (r"[\x{0649}\x{06cc}]", "ي"),
    (r"\x{0629}", "ه"),
    (r"\x{06a9}", "ك"),
)
_DIGITS = str.maketrans("٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹", "0123456789" * 2)


def stop_words(language: str) -> list[str]:
    """Words of the language that carry no topic, sorted; none where no list is known.

    English and Arabic are lists of our own, function words only; the others come from the
    package stop-words.
    """
    if language in ("english", "arabic"):
        return sorted(set((_ENGLISH if language == "english" else _ARABIC).split()))
    import stop_words as lists

    if language not in lists.AVAILABLE_LANGUAGES:
        return []
    return sorted({word.strip() for word in lists.get_stop_words(language)} - {""})


def normalise(words: pa.Array, language: str) -> pa.Array:
    """Words as the stemmer of the language wants them."""
    if language in ("english", "plain"):
        return fold_accents(words)
    if language in ("arabic", "persian"):
        return normalise_arabic(words)
    return words


def normalise_arabic(words: pa.Array) -> pa.Array:
    """One spelling for alef, ya and ta marbuta; no diacritics, no tatweel; ASCII digits."""
    for pattern, replacement in _ARABIC_STEPS:
        words = pc.replace_substring_regex(words, pattern, replacement)
    digits = pc.match_substring_regex(words, r"[\x{0660}-\x{0669}\x{06f0}-\x{06f9}]")
    if not pc.any(digits).as_py():
        return words
    western = [word.translate(_DIGITS) for word in words.filter(digits).to_pylist()]
    return pc.replace_with_mask(words, digits, pa.array(western, type=words.type))
