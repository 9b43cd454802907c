"""What scripts in other languages load."""

from __future__ import annotations

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ork.code.programs import LANGUAGES
from ork.code.scripts import SCRIPT_MAX, read_script
from ork.code.use import INC, OWN, UNKNOWN, WORK

BEGINNINGS = {f"{OWN}/../": "<own>/", f"{WORK}/": "", f"{INC}/": "<inc>/"}


def shown(path: str | None) -> str:
    for begin, sign in BEGINNINGS.items():
        if path is not None and path.startswith(begin):
            return sign + posixpath.normpath(path[len(begin) :])
    return path or "?"


def loaded(text: str, language: str) -> str:
    """Return the files that may be loaded, with a comma after those of each place."""
    uses = read_script(text, language).uses
    return ", ".join(" ".join(sorted(map(shown, use.paths))) for use in uses)


@pytest.mark.parametrize(
    ("language", "text", "files"),
    [
        ("r", "source('lib/a.R'); source(file = \"b.R\", local = TRUE)", "lib/a.R, b.R"),
        ("r", "sys.source('a.R', env)\nsource(here::here('R', 'b.R'))", "a.R, R/b.R"),
        ("r", "rmarkdown::render('r.Rmd'); x$source('no.R'); read.csv('d.csv')", "r.Rmd"),
        ("r", "# source('no.R')\nsource(path)\nsource(file.path(d, 'a.R'))", "?, ?"),
        ("r", "reticulate::source_python('p.py')", "p.py"),
        ("r", "targets::tar_make_future(workers = 2)\ntar_source()", "_targets.R, ?"),
        (
            "ruby",
            "require_relative 'lib/a'\nload './b.rb'",
            "<own>/lib/a <own>/lib/a.rb, b.rb b.rb.rb",
        ),
        ("ruby", "$LOAD_PATH.unshift 'lib'\nrequire 'a'", "a a.rb, <inc>/a.rb lib/a.rb"),
        (
            "php",
            "require_once('a.php'); include __DIR__ . '/b.php';",
            "a.php, <own>/b.php, <own>/a.php",
        ),
        (
            "lua",
            "dofile('a.lua')\nlocal b = require 'b.c' -- require 'no'",
            "a.lua, b/c.lua b/c/init.lua",
        ),
        (
            "julia",
            'include("a.jl")\ninclude(joinpath(@__DIR__, "b", "c.jl"))',
            "<own>/a.jl, <own>/b/c.jl",
        ),
        ("perl", "use lib 'lib';\nuse strict;\nuse A::B qw(c);", "<inc>/A/B.pm lib/A/B.pm"),
        ("perl", 'use lib "$FindBin::Bin/../lib";\nrequire A;', "<inc>/A.pm <own>/../lib/A.pm"),
        ("perl", "require './a.pl'; do \"b.pl\"; do { x }; require $x;", "a.pl, b.pl, ?"),
        (
            "sql",
            "\\i a.sql\n\\ir b.sql\n.read c.sql\nsource d.sql;\nselect 'x.sql';",
            "a.sql, c.sql, d.sql, <own>/b.sql",
        ),
        ("sql", "@a.sql\n@@b.sql\n\\copy t from 'd.csv'", "a.sql, @b.sql, <own>/b.sql"),
        ("sql", "select 1; \\i 'a b.sql'\n.read 'c d.sql'", "a b.sql, c d.sql"),
        ("tcl", "source a.tcl", "a.tcl"),
        ("gnuplot", "load 'a.gp'; plot 'd.csv'", "a.gp"),
        ("awk", '@include "a"\n{ print }', "a a.awk"),
    ],
)
def test_what_a_script_loads(language: str, text: str, files: str) -> None:
    assert loaded(text, language) == files


@pytest.mark.parametrize(
    ("text", "file"),
    [
        ("const a = require('./a'), fs = require('fs')", "<own>/a.js"),
        ("const a = require('./a'), fs = require('fs')", "<own>/a/index.js"),
        ("import {\n  x,\n} from '../b.js'", "<own>/../b.ts"),
        ("import './c.mjs' // import './no'", "<own>/c.mjs"),
        ('export * from "./d"', "<own>/d.ts"),
        ("await import('./e.js')", "<own>/e.js"),
        ("require(path.join(__dirname, 'f', 'g'))", "<own>/f/g.js"),
        ("require(`${__dirname}/h`); require(__dirname + '/h')", "<own>/h.js"),
        ("new Worker('./w.js')", "w.js"),
        ("require(name)", "?"),
        ("import(`./${name}.js`)", "?"),
    ],
)
def test_what_a_script_of_node_loads(text: str, file: str) -> None:
    uses = read_script(text, "js").uses
    assert file in {shown(path) for use in uses for path in use.paths}
    assert not any("no" in (path or "") for use in uses for path in use.paths)
    assert all(use.is_optional or use.is_unclear for use in uses)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("perl", "system('sh', 'x.sh'); my $y = `sh y.sh`; exec \"sh z.sh $a\";"),
        ("js", "execSync('sh x.sh'); cp.spawn('sh', ['y.sh', '-v']); exec(`sh z.sh ${a}`)"),
        ("r", "system('sh x.sh'); system(command = \"sh y.sh\"); system2('sh', 'z.sh')"),
        ("ruby", "system('sh x.sh')\n`sh y.sh`\nspawn 'sh', 'z.sh'"),
        ("php", "exec('sh x.sh'); system(\"sh y.sh\"); shell_exec('sh z.sh');"),
        ("lua", "os.execute('sh x.sh'); io.popen('sh y.sh'); os.execute 'sh z.sh'"),
        ("awk", '{ system("sh x.sh"); "sh y.sh" | getline; print | "sh z.sh" }'),
        ("sql", ".shell sh x.sh\n.system sh y.sh\n\\! sh z.sh\n"),
        ("julia", "run(`sh x.sh`); run(`sh y.sh $a`); run(`sh z.sh`)"),
    ],
)
def test_what_a_script_starts_by_a_literal(language: str, text: str) -> None:
    uses = [use for use in read_script(text, language).uses if use.role == "script"]
    assert {shown(path) for use in uses for path in use.paths} == {"x.sh", "y.sh", "z.sh"}


def test_of_what_a_script_starts_an_unknown_program_is_no_reason_for_a_warning() -> None:
    (use,) = read_script("system(`$tool x.csv`)", "perl").uses
    assert use.role == "unclear"


@pytest.mark.slow
@pytest.mark.timeout(60)
@pytest.mark.parametrize("language", ["r", "perl", "ruby", "php", "lua", "make"])
def test_a_long_line_of_nothing_ends(language: str) -> None:
    for text in ('source("a", ', "require ", "system", "use lib "):
        assert len(read_script(text + " " * 300_000, language).uses) < 2
    assert read_script("a:" * 500_000, language).uses == ()


@pytest.mark.slow
@pytest.mark.timeout(60)
@pytest.mark.parametrize("text", ["\\a", "\\o ", "\\i "])
def test_a_long_line_of_commands_of_psql_ends(text: str) -> None:
    read_script(text * 300_000, "sql")


def test_a_bar_in_a_text_of_awk_starts_nothing() -> None:
    assert read_script('{ print $1 "|" $2; print "./x" }', "awk").uses == ()


@pytest.mark.parametrize(
    "text",
    [
        "select a || '|' from t where b != '!' -- \\! sh x.sh\n  ::int;",
        ".mode csv\n.separator |\n.show\n.import d.csv t\n.output o.csv\n.log x",
        "\\set ON_ERROR_STOP on\n\\copy t from 'd.csv'\n\\o o.txt\n\\if :a\n\\endif\n\\gx",
        "copy t from 'd.csv'; select * from read_csv('d.csv'), `p.d.t`; load data infile 'd';",
        "load httpfs; select system, source from t\n join u using (a)",
    ],
)
def test_sql_that_starts_no_program_executes_nothing(text: str) -> None:
    assert read_script(text, "sql").uses == ()


@pytest.mark.parametrize(
    "text",
    [
        '.import "|sh x.sh" t',
        ".once |sh x.sh",
        ".read |sh x.sh",
        ".load ./x",
        "\\o |sh x.sh",
        "select 1 \\g |sh x.sh",
        "\\set a `sh x.sh`",
        "\\copy t from program 'sh x.sh'",
        "COPY t\nFROM PROGRAM 'sh x.sh'",
        "\\i :dir/x.sql",
        "\\P sh x.sh",
        "!sh x.sh",
        ":!! sh x.sh",
        ":r x.sql",
        "select load_extension('./x')",
        "LOAD './x.duckdb_extension'",
        "select * from executable('x.py', TSV, 'a int')",
        "select transform(a) using 'python x.py'",
        "add jar x.jar",
        "select 1;" + " " * SCRIPT_MAX,
    ],
)
def test_sql_that_may_start_a_program_in_another_way_is_not_known(text: str) -> None:
    assert "unclear" in [use.role for use in read_script(text, "sql").uses]


def test_a_program_that_sql_starts_is_followed_wherever_it_stands() -> None:
    text = "select 1; \\! sh x.sh\n.sh sh y.sh\npager sh z.sh"
    uses = [use for use in read_script(text, "sql").uses if use.role == "script"]
    assert [shown(path) for use in uses for path in use.paths] == ["x.sh", "y.sh", "z.sh"]


def test_the_place_of_each_use_is_told() -> None:
    (use,) = read_script("x <- 1\n  y; source(z)\n", "r").uses
    assert (use.line, use.column, use.text) == (2, 6, "source(z)")


def test_code_that_lies_nowhere_loads_from_the_working_directory() -> None:
    (use,) = read_script("require('./a.json')", "js", here=WORK).uses
    assert f"{WORK}/./a.json" in use.paths


@given(
    st.text(alphabet="ab'\"(),.$#/\\@ \n{}`:;=", max_size=80), st.sampled_from(sorted(LANGUAGES))
)
def test_any_text_comes_to_an_end(text: str, language: str) -> None:
    read_script(text, language)


HOSTILE = (
    "source('a')" * 50_000,
    "require(" * 100_000,
    "import " * 100_000,
    "'" * 500_000,
    "\n" * 500_000,
    "$(" * 100_000,
    "a\\\n" * 100_000,
    " " * 500_000,
    "x=$(x)$(y)\ny=$(x)$(x)\na:\n\t$(y)\n" * 2_000,
    "".join(f"v{n} = $(v{n + 1})$(v{n + 1})\n" for n in range(1_000)) + "a:\n\t$(v0)\n",
)


@pytest.mark.parametrize("language", sorted(LANGUAGES))
@pytest.mark.turns(3)
@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:9])
def test_a_hostile_text_costs_little(text: str, language: str) -> None:
    read_script(text, language)


@pytest.mark.parametrize(
    "text", ["sapply(list.files('R'), source)", "devtools::load_all('.')", "box::use(./lib/a)"]
)
def test_r_that_loads_by_other_functions_is_left_open(text: str) -> None:
    (use,) = [use for use in read_script(text, "r").uses if use.role == "sourced"]
    assert use.paths == UNKNOWN
    assert not read_script("box::use(dplyr[filter]); x <- source", "r").uses
