"""How a page looks: one sheet, light and dark, for windows of any width and for paper."""

from __future__ import annotations

from ork.cli.pictures.graph import ALL_COLORS, PLAIN_COLOR

QUIET = ("same", "pending", "skipped")  # what nothing happened to: kept in the background

_BASE = """
:root{color-scheme:light dark;
--paper:#f7f8fa;--card:#ffffff;--ink:#1b2430;--soft:#5d6b7e;--line:#e3e7ed;--wire:#9aa8b8;
--wash:#f1f4f8;--link:#3949ab;--plus:#1a7f37;--minus:#c62828;--plus-wash:#e6f6e9;
--minus-wash:#fdecec;--hunk:#6a5acd;--fill:var(--wash);--edge:var(--wire);
--mono:ui-monospace,"SF Mono",SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;
--sans:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue","DejaVu Sans",sans-serif}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.55 var(--sans)}
main{max-width:1120px;margin:0 auto;padding:40px 28px 56px}
header{margin:0 0 28px}
h1{font-size:27px;line-height:1.25;font-weight:650;letter-spacing:-.015em;margin:0 0 6px;
overflow-wrap:anywhere}
h1 .chip{font-size:14px;vertical-align:5px;margin-left:8px;letter-spacing:0}
h1 .soft{font-weight:400}
h2{font-size:16px;font-weight:650;margin:0 0 14px;display:flex;gap:4px 12px;align-items:baseline;
flex-wrap:wrap}
h3{font-size:13px;font-weight:600;color:var(--soft);margin:18px 0 6px}
.note{font-weight:400;font-size:13px;color:var(--soft)}
.lead{margin:0;font-size:16px;color:var(--soft);overflow-wrap:anywhere}
.counts{display:flex;flex-wrap:wrap;gap:8px;margin:14px 0 0}
section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:20px 22px;
margin:0 0 18px}
.part{margin:44px 0 20px}.part h1{font-size:21px}
footer{color:var(--soft);font-size:12.5px;margin:26px 2px 0}
code,pre,.mono{font-family:var(--mono);font-size:.88em}
code{overflow-wrap:anywhere}
a{color:var(--link)}
p{margin:0 0 10px}
.chip{display:inline-block;border:1px solid var(--edge);background:var(--fill);border-radius:999px;
padding:1px 10px;font-size:12.5px;line-height:1.5;white-space:nowrap;font-weight:500}
.wide{overflow-x:auto;margin:0 -6px}
table{border-collapse:collapse;width:100%;font-size:14px}
th{text-align:left;font-weight:500;color:var(--soft);font-size:12.5px;padding:4px 6px 6px;
border-bottom:1px solid var(--line);white-space:nowrap}
td:first-child,th:first-child{width:1%;white-space:nowrap;padding-right:26px}
td:first-child code{display:inline-block;width:max-content;max-width:380px;white-space:normal}
td{padding:7px 6px;border-bottom:1px solid var(--line);vertical-align:top}
tr:last-child td{border-bottom:0}
td.number,th.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
td code.old,td code.new{display:inline-block;min-width:110px}
td .message,td .why{overflow-wrap:anywhere;min-width:190px;display:inline-block}
.thin{white-space:nowrap}.soft{color:var(--soft)}
.old{color:var(--minus)}.new{color:var(--plus)}
.facts{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:5px 20px;margin:0;
font-size:14px}
.facts dt{color:var(--soft)}.facts dd{margin:0;overflow-wrap:anywhere}
figure{margin:0;overflow:auto;max-height:85vh;padding:2px 0}
figure svg{display:block;max-width:none;height:auto}
.graph .ground{fill:none}
.graph .edges{stroke:var(--wire)}
.graph .edges .added{stroke:var(--plus);stroke-width:2.2}
.graph .edges .removed{stroke:var(--minus)}
.graph .task rect{fill:var(--fill);stroke:var(--edge)}
.graph text{fill:var(--ink)}.graph .rest{fill:var(--soft)}
.graph .removed text{text-decoration:line-through}
.graph .same text,.graph .pending text,.graph .skipped text{fill:var(--soft)}
.legend{display:flex;flex-wrap:wrap;gap:6px 16px;margin:12px 0 0;padding:0;list-style:none;
font-size:12.5px;color:var(--soft)}
.legend i{display:inline-block;width:14px;height:14px;border-radius:4px;vertical-align:-2px;
margin-right:6px;background:var(--fill);border:1px solid var(--edge)}
details{border-top:1px solid var(--line);padding:10px 0}
details:first-of-type{border-top:0;padding-top:0}
details:last-child{padding-bottom:0}
summary{cursor:pointer;overflow-wrap:anywhere}
summary .note{margin-left:8px}
summary code{font-weight:600;font-size:.92em}
details>.wide,details>pre,details>.facts,details>h3{margin-top:10px}
pre{margin:0;padding:12px 0;background:var(--wash);border-radius:8px;overflow-x:auto;
line-height:1.5;tab-size:4}
pre.log{padding:12px 14px}
pre b{display:block;min-width:max-content;font-weight:400;padding:0 14px;white-space:pre}
pre b.plus{background:var(--plus-wash);color:var(--plus)}
pre b.minus{background:var(--minus-wash);color:var(--minus)}
pre b.at{color:var(--hunk);padding-top:4px;padding-bottom:4px}
.reasons{margin:0;padding:0;list-style:none;font-size:14px}
.reasons li{padding:5px 0;border-bottom:1px solid var(--line)}
.reasons li:last-child{border-bottom:0}
.reasons+details{border-top:1px solid var(--line);padding-top:10px;margin-top:0}
.message{white-space:pre-wrap;overflow-wrap:anywhere}
.lanes{display:grid;grid-template-columns:minmax(70px,max-content) minmax(0,1fr) max-content;
gap:0 16px;font-size:13px}
.row{display:contents}
.row>*{border-bottom:1px solid var(--line);height:30px;line-height:29px}
.row:last-child>*{border-bottom:0}
.row .task-name{max-width:250px;overflow:hidden;text-overflow:ellipsis;white-space:nowrap;
font-family:var(--mono);font-size:.92em}
.row .took{text-align:right;font-variant-numeric:tabular-nums;color:var(--soft);white-space:nowrap}
.row svg{width:100%;height:29px;display:block;overflow:visible}
.axis text{fill:var(--soft);font-size:11px;font-variant-numeric:tabular-nums}
.tick{stroke:var(--line)}.cut{stroke:var(--wire);stroke-dasharray:2 3}
.wait{stroke:var(--wire);stroke-width:1.6;stroke-dasharray:.1 5;stroke-linecap:round}
.bar{fill:var(--fill);stroke:var(--edge);stroke-width:1.2}
.long .bar{stroke-width:2.6}
.long .task-name,.long .took{font-weight:700;color:var(--ink)}
.key{display:flex;flex-wrap:wrap;gap:6px 18px;font-size:12.5px;color:var(--soft);margin:12px 0 0}
.key svg{width:26px;height:14px;vertical-align:-3px;margin-right:6px}
"""

_DARK = """
:root{--paper:#0f141a;--card:#171d25;--ink:#e4e9f0;--soft:#94a1b2;--line:#28313d;--wire:#5f6e80;
--wash:#1e2630;--link:#9fa8f5;--plus:#7fd394;--minus:#ff9a94;--plus-wash:#16301f;
--minus-wash:#391d20;--hunk:#b7acf7}
"""

_NARROW = """
main{padding:22px 14px 40px}h1{font-size:22px}section{padding:16px 14px;border-radius:8px}
.facts{grid-template-columns:minmax(0,1fr);gap:0}.facts dd{margin:0 0 8px}
td:first-child code{max-width:150px}
.lanes{display:block}
.row{display:grid;grid-template:"name took" "line line"/minmax(0,1fr) max-content;
border-bottom:1px solid var(--line);padding:3px 0}
.row>*{border:0;height:auto;line-height:22px}.row .task-name{grid-area:name;max-width:none}
.axis text:nth-of-type(even){display:none}.row .line{grid-area:line}.row .took{grid-area:took}
"""

_PAPER = """
body{background:#fff;font-size:11pt}main{max-width:none;padding:0}
section{border:0;border-top:1px solid var(--line);border-radius:0;padding:14px 0;margin:0}
section h2{break-after:avoid}tr,.row>*,summary{break-inside:avoid}
figure{overflow:visible;max-height:none}figure svg{max-width:100%}
.wide,pre{overflow:visible}pre b{white-space:pre-wrap;min-width:0}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}
"""


def sheet() -> str:
    """Return the style sheet of a page; colours of states are those of the pictures."""
    colors = {**ALL_COLORS, "plain": PLAIN_COLOR}
    light = "".join(
        f".{look}{{--fill:{fill};--edge:{edge}}}" for look, (fill, edge) in colors.items()
    )
    dark = "".join(
        f".{look}{{--fill:color-mix(in srgb,{edge} 30%,#171d25);"
        f"--edge:color-mix(in srgb,{edge} 75%,#ffffff)}}"
        for look, (_, edge) in colors.items()
    )
    dark += f"{','.join(f'.{look}' for look in QUIET)}{{--fill:#1e2630;--edge:#4a5768}}"
    rules = [
        _BASE,
        light,
        f"@media(prefers-color-scheme:dark){{@media screen{{{_DARK}{dark}}}}}",
        f"@media(max-width:640px){{{_NARROW}}}",
        f"@media print{{{_PAPER}}}",
    ]
    return "".join("".join(rules).split("\n"))
