"""Texts that have broken terminals, pages, pictures and tables elsewhere; which are harmless."""

import re
import unicodedata

from tests.scale import size

NAUGHTY = {
    "escape": "\x1b[31mred\x1b[0m\x1b]0;title\x07",
    "c1": "a\x9b31mb",
    "nul": "a\x00b",
    "bidi": "user\u202etxt.exe\u2066x\u2069",
    "hidden": "a\u200bb\ufeffc\u00add",
    "tags": "a\U000e0041\U000e0042b",
    "marks": "e" + "\u0301" * size(100_000, by_day=10_000),
    "lines": "one\ntwo\r\nthree\u2028four",
    "script": "</script><script>alert(1)</script>",
    "style": "</style><img src=x onerror=alert(1)>",
    "title": "</title></text></svg><svg onload=alert(1)>",
    "quotes": '"\'><b onclick="x">\'`',
    "comment": "<!-- --><![CDATA[ ]]> <?xml ?>",
    "entities": "&lt;b&gt; &#x3c;script&#x3e; &amp;amp;",
    "ticks": "`` ` ``` ```` ~~~",
    "pipes": "a|b\\|c\\\\|d ||",
    "markdown": "[x](javascript:alert(1)) ![i](http://x/y.png) **b** _i_ # h\n\n> q\n- l",
    "mentions": "@everyone #1 GH-2 https://example.org/",
    "mermaid": '"]; click t0 "javascript:alert(1)"; %%{init: {}}%% end',
    "dot": '"]; x [URL="javascript:alert(1)"]; //\\',
    "details": "</summary></details><details open>",
    "fence": "```\n</details>\n```diff",
    "blank": " ",
    "tab": "\ta\t",
    "wide": "\u8868\u30dd\U0001f469\u200d\U0001f469\u200d\U0001f466",
    "json": '{"a": "\\u0000"}',
}

BAD = ("Cc", "Cf", "Cs", "Zl", "Zp")
EXCEPT = "\t\n" + "".join(
    map(
        chr,
        (
            *range(0x600, 0x606),
            0x6DD,
            0x70F,
            0x890,
            0x891,
            0x8E2,
            0x110BD,
            0x110CD,
            *range(0x13430, 0x13440),
        ),
    )
)


def harmless(text: str) -> bool:
    """Say whether a text neither controls a terminal nor piles up marks."""
    category = {letter: unicodedata.category(letter) for letter in set(text)}
    if any(kind in BAD and letter not in EXCEPT for letter, kind in category.items()):
        return False
    marks = "".join(letter for letter, kind in category.items() if kind in ("Mn", "Me"))
    return not marks or re.search(f"[{re.escape(marks)}]{{5}}", text) is None
