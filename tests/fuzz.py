"""Random corpora, filters and queries that are nearly right: what people and programs write."""

import gzip
import json

CORPORA = {
    "c.jsonl": b'{"id": "a", "title": "On bones", "text": "They heal.", "year": 2019, "by": ["X"]}'
    b'\n{"id": "b", "title": "Dark matter", "text": "It bends light.", "score": 0.5}\n'
    b'{"id": "c", "title": "", "text": "Crystals grow.", "open": true, "year": null}\n',
    "c.csv": b'id,title,text,year\na,On bones,"They heal, slowly",2019\nb,"Dark\nmatter",Light,x\n',
    "c.tsv": b"id\ttitle\ttext\na\tOn bones\tThey heal.\nb\tDark matter\tIt bends light.\n",
    "c.bib": b"@article{a, title={On {B}ones}, author={Doe, Jane and Poe, Edgar}, year=2019,\n"
    b'abstract={They heal}, doi={10.1/x}}\n@misc{b, title="Dark \\alpha", year={in press}}\n',
    "c.ris": b"TY  - JOUR\nID  - a\nTI  - On bones\nAB  - They heal.\nAU  - Doe, Jane\nPY  - 2019\n"
    b"ER  - \nTY  - RPRT\nTI  - Dark matter\nER  - \n",
    "c.json": json.dumps(
        {
            "results": [
                {"id": "https://openalex.org/W1", "title": "On bones", "publication_year": 2019}
            ]
        }
    ).encode(),
    "d.json": b'{"id": "0704.1", "title": "Dark matter", "abstract": "It bends.", "categories": '
    b'"astro-ph", "authors_parsed": [["Doe", "Jane", ""]], "update_date": "2008-11-26"}\n',
}
BYTES = [
    *(b"\n", b"\r\n", b"\r", b"\t", b",", b" ", b"\0", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe"),
    *(b'"', b"'", b"\\", b"{", b"}", b"[", b"]", b"@", b"%", b"=", b":", b"ER  - \n", b"TY  - "),
    *(b"NaN", b"-1e999", b"99999999999999999999", b"null", b"true", b'"\\ud800"', b"\xed\xa0\x80"),
    *("é".encode(), "Ã©".encode(), "\u202e".encode(), "\U0001f9b4".encode(), "́".encode()),
]
WORDS = [
    *("bone", "dark matter", "H_0", "$\\Lambda$CDM", "β-carotene", "the", "of", "und", "нейтрон"),
    *(
        "عظم",
        "骨",
        "🦴",
        "a" * 300,
        "''",
        '"',
        "\\",
        "\0",
        "\u202e",
        "́",
        "-",
        "AND",
        "OR",
        "*",
        "~",
    ),
    *(
        "title:bone",
        "10.1000/x",
        "{}",
        "[]",
        "()",
        "%s",
        "<b>",
        "\n",
        "\t",
        "NaN",
        "1e999",
        "\ud800",
    ),
]
TOKENS = [
    *(
        "year",
        "`by`",
        "title",
        "id",
        "open",
        "score",
        "venue",
        "`on bones`",
        "nothing",
        "and",
        "or",
    ),
    *("not", "in", "is", "null", "contains", "(", ")", ",", "=", "==", "!=", "<>", "<", "<=", ">"),
    *(
        ">=",
        "2019",
        "-1",
        "0.5",
        "1e999",
        "nan",
        "true",
        "False",
        "'ACL'",
        '"X"',
        "''",
        "'",
        "`",
        '"',
    ),
    *("9" * 30, "1_000", "0x1f", "é", "🦴", "\0", ";", "--", "%", "'it''s'", "AND", "Is", "NOT"),
]
FILTERS = [
    "year >= 2015 and venue in ('ACL', 'ApJ')",
    "not (open = true or score < 0.5) and title contains 'bone'",
    "by contains 'X' or year is not null",
]
PAIRS = [
    *("k1=0.9", "b=0.4", "variant=okapi", "variant=l,delta=0.5", "title_weight=3", "k1=nan", "b=2"),
    *("k1=", "=", "k1", "k1=0.9,k1=1", "text_weight=0,title_weight=0", "variant=", "delta=1", ",,"),
]


def corpus(random):
    """Name and content of a file."""
    name = random.choice(list(CORPORA))
    content = _mutated(random, CORPORA[name], BYTES, most=8)
    if random.random() < 0.1:
        zipped = gzip.compress(content, 1)
        return f"{name}.gz", _mutated(random, zipped, BYTES, most=random.choice((0, 0, 2)))
    return name, content


def filter_text(random):
    if random.random() < 0.3:
        return _mutated(random, random.choice(FILTERS), [*TOKENS, " "], most=4)
    return " ".join(random.choices(TOKENS, k=random.randrange(12)))


def query(random):
    return random.choice((" ", "")).join(random.choices(WORDS, k=random.randrange(8)))


def _mutated(random, content, pieces, *, most):
    for _ in range(random.randint(0, most)):
        at = random.randint(0, len(content))
        to = min(len(content), at + random.choice((0, 0, 1, 5, 40)))
        middle = random.choice((random.choice(pieces), content[at:to] * 2, content[:0]))
        content = content[:at] + middle + content[to:]
    return content
