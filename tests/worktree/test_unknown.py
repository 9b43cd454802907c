"""What tasks execute beside shell and Python, and what is said where that cannot be known."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ork.code import project
from tests.worktree.test_capture import captured, paths, problem, root, take, write

__all__ = ["root"]  # a fixture

DOCKER = "executor: process, command: docker build ."


def told(root: Path, *tasks: str, head: str = "") -> list[str]:
    return [problem.message for problem in captured(root, *tasks, head=head).unknown]


def command(line: str) -> str:
    return f"executor: process, command: {json.dumps(line)}"


# -- other languages


def test_recipes_are_followed_in_the_folder_of_their_file(root: Path) -> None:
    write(root, "Makefile", "all:\n\t$(MAKE) -C sub x; python a.py\ninclude more.mk\n")
    write(root, "more.mk", "b:\n\tsh b.sh\n")
    write(root, "sub/Makefile", "x:\n\tpython a.py\n")
    write(root, "justfile", "c:\n  sh {{x}}; sh b.sh\n")
    for path in ("a.py", "b.sh", "sub/a.py", "data.csv"):
        write(root, path)
    made = ["Makefile", "a.py", "b.sh", "more.mk", "sub/Makefile", "sub/a.py"]
    assert paths(root, command("make")) == made
    assert paths(root, command("cd sub && make")) == ["sub/Makefile", "sub/a.py"]
    assert paths(root, command("just c")) == ["b.sh", "justfile"]
    (open_,) = captured(root, command("just c")).unknown
    assert (open_.file, open_.line) == ("w/justfile", 2)


def test_scripts_are_followed_to_what_they_load_by_a_literal(root: Path) -> None:
    write(root, "js/x.js", "require('./a'); require('fs'); require('../lib')")
    for path in ("js/a.ts", "lib/index.js", "lib/no.js", "node_modules/fs/index.js"):
        write(root, path)
    assert paths(root, command("node js/x.js")) == ["js/a.ts", "js/x.js", "lib/index.js"]
    write(root, "a.R", "source('b.R'); read.csv('d.csv')")
    write(root, "b.R", "source(path)")
    write(root, "d.csv")
    write(root, "tool", "#!/usr/bin/env Rscript\nsource('a.R')", mode=0o755)
    for line, first in (("./tool", ["tool"]), ("Rscript -e 'source(\"a.R\")'", [])):
        assert paths(root, command(line)) == ["a.R", "b.R", *first]
        assert told(root, command(line)) == [
            "it is not known which file this sources: source(path)"
        ]
        assert told(root, command(line), head="include: [d.csv]\n") == []
    write(root, ".Rprofile", "source('b.R')")
    for line, first in (("./tool", ["tool"]), ("Rscript a.R", []), ("R -e 'x <- 1'", [])):
        more = ["a.R"] if "-e" not in line else []
        assert paths(root, command(line)) == [".Rprofile", *more, "b.R", *first]
    write(root, "tool", "#!/usr/bin/Rscript --vanilla\n1", mode=0o755)
    assert paths(root, command("./tool")) == ["tool"]
    write(root, "_targets.R", "library(targets)")
    assert "_targets.R" in paths(root, command("Rscript -e 'targets::tar_make()'"))
    write(root, "x.pl", "use A;")
    write(root, "lib/A.pm", "use A::B;")
    write(root, "lib/A/B.pm")
    for line in ("perl -Ilib x.pl", "PERL5LIB=lib perl x.pl"):
        assert paths(root, command(line)) == ["lib/A.pm", "lib/A/B.pm", "x.pl"]


def test_node_takes_a_folder_and_a_name_without_its_end(root: Path) -> None:
    for path in ("index.js", "lib/index.mjs", "x.cjs"):
        write(root, path)
    for name, path in ((".", "index.js"), ("lib", "lib/index.mjs"), ("./x", "x.cjs")):
        assert paths(root, command(f"node {name}")) == [path]


def test_node_begins_a_folder_with_what_its_package_names(root: Path) -> None:
    write(root, "package.json", '{"main": "lib/start"}')
    write(root, "lib/start.js", "require('../sub')")
    write(root, "sub/package.json", '{"main": "./b.js"}')
    write(root, "sub/b.js")
    found = ["lib/start.js", "package.json", "sub/b.js", "sub/package.json"]
    assert paths(root, command("node .")) == found
    write(root, "package.json", '{"main": "gone"}')
    write(root, "index.js")
    assert paths(root, command("node .")) == ["index.js", "package.json"]


@pytest.mark.parametrize(
    ("name", "tables", "file"),
    [
        ("#x", {"package.json": {"imports": {"#x": "./lib/x.js"}}}, "lib/x.js"),
        ("#l/x", {"package.json": {"imports": {"#l/*": {"node": ["./lib/*.js"]}}}}, "lib/x.js"),
        ("me/x", {"package.json": {"name": "me", "exports": {"./x": "./lib/x.js"}}}, "lib/x.js"),
        ("me", {"package.json": {"name": "me", "exports": "./lib/x.js"}}, "lib/x.js"),
        (
            "@a/x",
            {
                "package.json": {"workspaces": ["lib/*"]},
                "lib/b/package.json": {"name": "@a/x", "main": "m"},
            },
            "lib/b/m.ts",
        ),
        (
            "x/y",
            {
                "package.json": {"dependencies": {"x": "file:./lib"}},
                "lib/package.json": {"name": "x"},
            },
            "lib/y/index.ts",
        ),
        ("@/x", {"tsconfig.json": {"compilerOptions": {"paths": {"@/*": ["lib/*"]}}}}, "lib/x.ts"),
        ("y/x", {"tsconfig.json": {"compilerOptions": {"baseUrl": "lib"}}}, "lib/y/x.ts"),
        ("@l/x.ts", {"deno.json": {"imports": {"@l/": "./lib/"}}}, "lib/x.ts"),
        ("y", {"deno.jsonc": {"imports": {"y": "./lib/x.ts"}}}, "lib/x.ts"),
    ],
)
def test_names_of_packages_that_the_project_explains_are_followed(
    root: Path, name: str, tables: dict[str, object], file: str
) -> None:
    write(root, "src/t.ts", f"import x from '{name}'; const fs = require('fs')")
    for path, table in tables.items():
        text = json.dumps(table)
        write(root, path, f"{text[:-1]}, // more\n}}" if path == "tsconfig.json" else text)
    for path in (file, "lib/no.js", "index.js"):
        write(root, path)
    assert paths(root, command("tsx src/t.ts")) == sorted([*tables, file, "src/t.ts"])
    for table in ("[]", "{", '{"imports": 1, "name": [], "workspaces": {"packages": "../*"}}'):
        for path in ("package.json", "tsconfig.json", *tables):
            write(root, path, table)
        assert paths(root, command("tsx src/t.ts")) == ["src/t.ts"]


def test_a_name_of_a_package_leads_nowhere_out(root: Path) -> None:
    write(root, "../out.js")
    write(root, "t.js", "import '#a'; import '#b'; import 'c'")
    names = {"#a": "../out.js", "#b": str(root / "../out.js")}
    write(root, "package.json", json.dumps({"imports": names, "workspaces": ["..", "../*"]}))
    assert paths(root, command("node t.js")) == ["t.js"]


def test_packages_are_found_where_the_project_says_that_they_lie(root: Path) -> None:
    write(root, "t.py", "import pkg.a")
    write(root, "lib/pkg/a.py", "import pkg.b")
    for path in ("lib/pkg/__init__.py", "lib/pkg/b.py", "src/other.py"):
        write(root, path)
    write(root, "setup.py", "setup(package_dir={'': 'lib'})")
    found = ["lib/pkg/__init__.py", "lib/pkg/a.py", "lib/pkg/b.py", "setup.py", "t.py"]
    assert paths(root, command("python t.py")) == found
    write(root, "t.py", "import other")
    assert paths(root, command("python t.py")) == ["src/other.py", "t.py"]
    write(root, "setup.py", "setup(package_dir={'': '../lib'})")
    assert paths(root, command("python lib/pkg/a.py")) == ["lib/pkg/a.py"]


def test_a_package_in_a_folder_of_another_name_is_warned_of(root: Path) -> None:
    write(root, "t.py", "import pkg.a, other")
    for path in ("src/dir/__init__.py", "src/dir/a.py", "src/dir/b.py"):
        write(root, path)
    write(root, "setup.py", "setup(package_dir={'pkg': 'src/dir'})")
    for line, by in (("python t.py", "t.py"), ("python -m pkg.a", "pkg.a")):
        assert told(root, command(line)) == [
            f"{by} may execute src/dir/{name}.py, which is not captured"
            for name in ("__init__", "a")
        ]
    assert told(root, command("python t.py"), head="include: ['src/dir/*.py']\n") == []


def test_what_an_interpreter_is_told_to_load_is_found_as_the_language_finds_it(root: Path) -> None:
    for path in ("lib/a.rb", "x.rb", "y.js", "x.js", "b.rb"):
        write(root, path)
    assert paths(root, command("ruby -r./b x.rb")) == ["b.rb", "x.rb"]
    ruby, node = command("ruby -Ilib -rjson -ra x.rb"), command("node -r dotenv/config x.js")
    assert paths(root, ruby) == ["lib/a.rb", "x.rb"]
    assert paths(root, node) == ["x.js"]
    assert told(root, ruby, node) == []
    assert paths(root, f"{node}, env: {{NODE_OPTIONS: --require ./y.js}}") == ["x.js", "y.js"]


def test_a_recipe_of_just_starts_where_its_file_lies(root: Path) -> None:
    write(root, "sub/justfile", "load:\n  sh x.sh\n")
    write(root, "sub/x.sh")
    write(root, "x.sh")
    found = ["sub/justfile", "sub/x.sh"]
    assert paths(root, command("just -f sub/justfile load")) == found
    assert paths(root, command("just -f sub/justfile -d . load")) == ["sub/justfile", "x.sh"]


@pytest.mark.parametrize(
    ("line", "table", "start"),
    [
        ("bun run load --day 1", "package.json", "scripts"),
        ("node --run load", "package.json", "scripts"),
        ("deno task load", "deno.json", "tasks"),
    ],
)
def test_node_and_its_like_take_a_name_of_a_table(
    root: Path, line: str, table: str, start: str
) -> None:
    write(root, table, json.dumps({start: {"load": "node x.js"}}))
    write(root, "x.js")
    assert paths(root, command(line)) == sorted([table, "x.js"])
    assert told(root, command(line)) == []


def test_julia_finds_modules_where_it_is_told_and_in_its_project(root: Path) -> None:
    write(root, "x.jl", 'push!(LOAD_PATH, "lib")\nusing A, B\nimport Me: go\nusing Dates\n')
    for path in ("lib/A.jl", "more/A.jl", "src/Me.jl", "src/No.jl"):
        write(root, path)
    assert paths(root, command("julia --project x.jl")) == ["lib/A.jl", "src/Me.jl", "x.jl"]
    line = "JULIA_LOAD_PATH=more: julia x.jl"
    assert paths(root, command(line)) == ["lib/A.jl", "more/A.jl", "src/Me.jl", "x.jl"]


def test_npm_executes_what_stands_before_and_after_a_script(root: Path) -> None:
    scripts = {name: f"sh {name}.sh" for name in ("start", "prestart", "poststart", "other")}
    write(root, "package.json", json.dumps({"scripts": scripts}))
    for name in scripts:
        write(root, f"{name}.sh")
    expected = ["package.json", "poststart.sh", "prestart.sh", "start.sh"]
    for line in ("npm start", "npm run start", "yarn start"):
        assert paths(root, command(line)) == expected


def test_python_starts_others_with_the_variables_that_it_sets(root: Path) -> None:
    write(root, "lib/m.py")
    for line in (
        "subprocess.run(['python', '-m', 'm'], env={**os.environ, 'PYTHONPATH': 'lib'})",
        "os.environ['PYTHONPATH'] = 'lib'\nos.system('python -m m')",
        "env = {'PYTHONPATH': os.path.dirname(__file__) + '/../lib'}\n"
        "subprocess.run(['python', '-m', 'm'], env=env)",
        "pty.spawn(['python', 'lib/m.py'])",
    ):
        write(root, "s/x.py", line)
        assert paths(root, command("python s/x.py")) == ["lib/m.py", "s/x.py"]


def test_folders_that_many_modules_add_are_searched_together(root: Path) -> None:
    numbers = range(14)
    for n in numbers:
        write(root, f"a{n}.py", f"import sys\nsys.path.insert(0, 'd{n}')")
        write(root, f"d{n}/m.py")
    write(root, "x.py", "\n".join(f"import a{n}" for n in numbers) + "\nimport m")
    found = captured(root, command("python x.py"))
    assert {f"d{n}/m.py" for n in numbers} <= set(found.files)
    assert (found.unknown, found.silent) == ((), ())


def test_of_a_program_that_python_begins_all_is_python(root: Path) -> None:
    write(root, "tool", "#!/usr/bin/env python3\nimport a", mode=0o755)
    write(root, "a.py", "import b")
    write(root, "b.py")
    assert paths(root, command("./tool")) == ["a.py", "b.py", "tool"]


def test_python_starts_what_lies_beside_it(root: Path) -> None:
    write(
        root,
        "s/x.py",
        "import subprocess, sys, os\nfrom pathlib import Path\nHERE = Path(__file__).parent\n"
        "subprocess.run([sys.executable, str(HERE / 'a.py')])\n"
        "subprocess.run([HERE / 'b.sh'])\nsubprocess.run(f'sh {HERE}/c.sh x', shell=True)\n"
        "os.system('sh ' + os.path.join(os.path.dirname(__file__), 'd.sh'))\n"
        "subprocess.run(['sh', f'{HERE}/e.sh'])\n",
    )
    names = [f"s/{name}" for name in ("a.py", "b.sh", "c.sh", "d.sh", "e.sh")]
    for path in names:
        write(root, path)
    assert paths(root, command("python s/x.py")) == [*names, "s/x.py"]


# -- machine code and archives


@pytest.mark.parametrize(
    "end", [".cpython-311-x86_64-linux-gnu.so", ".abi3.so", ".so", ".pyc", ".pyx"]
)
def test_a_compiled_module_is_code(root: Path, end: str) -> None:
    write(root, "t.py", "import fast, pkg")
    write(root, f"fast{end}", b"\x7fELF\0")
    write(root, "pkg/__init__.py", "from ._c import f\nfrom . import other")
    write(root, f"pkg/_c{end}", b"\x7fELF\0")
    write(root, f"pkg/unused{end}")
    found = captured(root, "executor: python, file: t.py")
    assert list(found.files) == [f"fast{end}", "pkg/__init__.py", f"pkg/_c{end}", "t.py"]
    assert found.unknown == ()
    assert paths(root, "executor: python, module: fast") == [f"fast{end}"]
    write(root, "fast.py", "import json")
    assert paths(root, command("python -m fast")) == sorted(["fast.py", f"fast{end}"])
    assert paths(root, command("python -m fast"), head="exclude: ['fast.*']\n") == []


def test_a_library_that_python_loads_is_code(root: Path) -> None:
    write(root, "x.so", b"\x7fELF\0")
    write(root, "s/y.so", b"\x7fELF\0")
    lines = "ctypes.CDLL('./x.so')", "cdll.LoadLibrary(os.path.dirname(__file__) + '/y.so')"
    write(root, "s/t.py", "\n".join((*lines, "ctypes.CDLL('libc.so.6')")))
    found = captured(root, command("python s/t.py"))
    assert (list(found.files), found.silent) == (["s/t.py", "s/y.so", "x.so"], ())


def test_an_extension_that_sqlite_loads_is_code(root: Path) -> None:
    write(root, "x.so", b"\x7fELF\0")
    write(root, "t.py", "db.load_extension('./x.so')\ndb.enable_load_extension('./y')")
    assert paths(root, command("python t.py")) == ["t.py", "x.so"]


@pytest.mark.parametrize(
    ("source", "path", "text"),
    [
        ("dictConfig(json.load(open('{}')))", "log.json", '{"class": "app.h.H", "name": "no.N"}'),
        ("c = json.loads(Path('{}').read_text())\ndictConfig(c)", "a.json", '{"()": "app.h.H"}'),
        (
            "with open('{}') as f:\n c = yaml.safe_load(f)\nlogging.config.dictConfig(config=c)",
            "c/log.yaml",
            "handlers:\n  h:\n    class: app.h.H\n    filename: no.py\n  g: {'()': \"app.g.G\"}\n"
            "    stream: ext://app.s.out\n",
        ),
        ("fileConfig('{}')", "log.ini", "[handler_h]\nclass=app.h.H\nargs=(no.x,)\n"),
    ],
)
def test_a_configuration_of_logging_is_code(root: Path, source: str, path: str, text: str) -> None:
    write(root, "src/t.py", source.replace("{}", path))
    write(root, path, text)
    modules = [f"src/app/{name}.py" for name in "hgs" if f"app.{name}." in text]
    for one in (*modules, "src/no.py", "no.py"):
        write(root, one)
    assert paths(root, command("python src/t.py")) == sorted([path, "src/t.py", *modules])
    assert told(root, command("python src/t.py")) == []


def test_an_archive_of_modules_is_code(root: Path) -> None:
    archive = b"PK\3\4\0\0"
    for path in ("lib.zip", "more.zip", "app.pyz"):
        write(root, path, archive)
    write(root, "t.py", "import sys\nsys.path.insert(0, 'more.zip')\nimport a")
    write(root, "src/sitecustomize.py", "import b")
    write(root, "src/b.py")
    found = ["lib.zip", "more.zip", "src/b.py", "src/sitecustomize.py", "t.py"]
    assert paths(root, command("PYTHONPATH=lib.zip:src python t.py")) == found
    inline = command("PYTHONPATH=lib.zip:src python -c 'import sys'")
    assert paths(root, inline) == ["lib.zip", "src/b.py", "src/sitecustomize.py"]
    assert told(root, command("python app.pyz")) == []
    assert paths(root, command("spark-submit --py-files lib.zip,src/b.py t.py")) == [
        "lib.zip",
        "more.zip",
        "src/b.py",
        "t.py",
    ]


# -- what is said


def test_code_that_a_program_finds_by_its_own_rules_is_warned_of(root: Path) -> None:
    write(root, "tests/test_a.py")
    write(root, "t.py", "import subprocess\nsubprocess.run(['dbt', 'run'])")
    loads = "it is not known which code this loads: "
    assert told(root, command("pytest -q")) == [f"{loads}pytest"]
    assert told(root, command("python t.py")) == [f"{loads}dbt"]
    for task in (command("pytest -q"), command("python t.py")):
        assert told(root, task, head="include: [tests/test_a.py]\n") == []
    write(root, "h.py", "import hydra\nhydra.utils.instantiate(config)\ninstantiate(x)")
    assert told(root, command("python h.py")) == [f"{loads}hydra"]
    for line in ("docker-compose up", "python -m zipapp tests"):
        assert told(root, command(line)) == [loads + line.replace("python -m ", "").split()[0]]
    assert told(root, DOCKER) == [f"{loads}docker"]
    for line in ("kubectl apply -f job.yaml", "./gradlew run", "docker stack deploy -c x.yml x"):
        assert f"{loads}{line.split()[0]}" in told(root, command(line))
    assert told(root, command("docker run x; npm ci; go version; kubectl logs -f x")) == []


def test_of_one_program_it_is_said_once_however_many_tasks_start_it(root: Path) -> None:
    write(root, "q.sql")
    tasks = [command(f"dbt run --select m{number}; snow -f q.sql") for number in range(3)]
    found = captured(root, *tasks).unknown
    assert [(one.line, one.message.split()[-1]) for one in found] == [(3, "dbt"), (3, "captured")]


def test_a_file_that_an_unknown_program_may_execute_is_warned_of(root: Path) -> None:
    write(root, "q.sql")
    (found,) = captured(root, command("snow sql -f q.sql")).unknown
    assert found.message == "snow may execute q.sql, which is not captured"
    assert found.hint == "`include: [q.sql]` if it is code, `exclude: [q.sql]` if not"
    for key in ("include", "exclude"):
        assert told(root, command("snow sql -f q.sql"), head=f"{key}: [q.sql]\n") == []
    lines = "snow -f gone.sql", "snow d.csv", "cp q.sql x", "python -c 1 q.sql", "psql -f q.sql"
    for line in (*lines, "psql -f q.sql; snow q.sql", "curl -o q.sql u; snow q.sql"):
        assert told(root, command(line)) == []


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("docker run --rm -v ./sub:/x -e A=/x image python /x/a.py /x/b.csv", ["sub/a.py"]),
        ('podman run -v "$PWD/sub:/x/:ro" image python -u /x/a.py', ["sub/a.py"]),
        ("docker run --volume=.:/x image sh /x/sub/c.sh", ["sub/c.sh"]),
        ("docker run --mount type=bind,src=./sub,dst=/x image sh /x/c.sh", ["sub/c.sh"]),
        ("cd sub && docker run -v .:/x -v ../more:/x/y image python /x/y/a.py", ["more/a.py"]),
        ("docker run -v ./sub:/x -w /x image python a.py; python a.py", ["a.py", "sub/a.py"]),
        ("docker run -v ./sub:/x -w /x image python -m a", ["sub/a.py"]),
        ("docker run -v sub:/x -v ./sub:/xx image python /x/a.py", []),
        ("docker run -v /srv:/x -w /x image python /x/a.py", []),
    ],
)
def test_a_container_executes_what_is_mounted(root: Path, line: str, found: list[str]) -> None:
    for path in ("a.py", "sub/a.py", "sub/b.csv", "sub/c.sh", "more/a.py"):
        write(root, path)
    assert paths(root, command(line)) == found
    assert told(root, command(line)) == []


def test_a_program_that_is_mounted_is_warned_of(root: Path) -> None:
    write(root, "sub/c.sh")
    for line in ("-v ./sub:/x image /x/c.sh", "-v ./sub/c.sh:/c.sh image /c.sh"):
        message = "docker may execute sub/c.sh, which is not captured"
        assert told(root, command(f"docker run {line}")) == [message]


def test_of_a_captured_file_it_is_not_said_that_it_is_not_captured(root: Path) -> None:
    write(root, "q.sql", "select 1")
    found = captured(root, command("sed s/a/b/ q.sql | sqlite3 x"), command("sqlite3 x < q.sql"))
    assert (list(found.files), found.unknown) == (["q.sql"], ())
    assert "sqlite3 may execute q.sql" in [problem.message for problem in found.silent]


def test_a_file_that_python_may_execute_by_its_name_is_warned_of(root: Path) -> None:
    write(root, "x.sql")
    write(root, "x.csv")
    write(root, "s/y.sh")
    write(root, "s/t.py", "load('x.sql', 'x.csv')\nstart('y.sh')\nstart('gone.sh')")
    found = captured(root, command("python s/t.py"), command("python -u s/t.py")).unknown
    assert [(one.file, one.line, one.message) for one in found] == [
        ("w/s/t.py", 1, "s/t.py may execute x.sql, which is not captured"),
        ("w/s/t.py", 2, "s/t.py may execute s/y.sh, which is not captured"),
    ]
    for key in ("include", "exclude"):
        head = f"{key}: [x.sql, s/y.sh]\n"
        assert told(root, command("python s/t.py"), head=head) == []
    assert told(root, command("python s/t.py; sh s/y.sh; sqlite3 a.db < x.sql")) == []
    assert told(root, command("python s/t.py"), command("ls > x.sql; ls > s/y.sh")) == []


def test_files_that_python_means_by_a_pattern_are_warned_of_as_one(root: Path) -> None:
    for path in ("sql/a.sql", "sql/b.sql", "sql/.c.sql", "sql/d.csv", "more/e/f/g.sql", "h.sql"):
        write(root, path)
    write(root, "t.py", "open(f'sql/{x}.sql')\nPath('more').rglob('*.sql')")
    found = captured(root, command("python t.py")).unknown
    assert [(one.line, one.message, one.hint) for one in found] == [
        (
            line,
            f"t.py may execute {which}, which is not captured",
            f"`include: [{which}]` if it is code, `exclude: [{which}]` if not",
        )
        for line, which in ((1, "sql/*.sql"), (2, "more/**/*.sql"))
    ]
    for key in ("include", "exclude"):
        head = f"{key}: ['sql/*.sql', 'more/**/*.sql']\n"
        assert told(root, command("python t.py"), head=head) == []
    (left,) = told(root, command("python t.py"), head="include: [sql/a.sql, 'more/**']\n")
    assert left == "t.py may execute sql/*.sql, which is not captured"


def test_a_pattern_comes_to_an_end(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(root, "a/b/c/d/e/x.sql")
    write(root, "t.py", f"glob.glob('a/{'**/' * 500}*{'a*' * 500}.sql')")
    assert told(root, command("python t.py")) == []
    write(root, "t.py", f"glob.glob('a/{'**/' * 9}*.sql')")
    assert len(told(root, command("python t.py"))) == 1
    monkeypatch.setattr(project, "LOOKED_MAX", 3)
    found = captured(root, command("python t.py"))
    assert (found.unknown, len(found.silent)) == ((), 1)


@pytest.mark.parametrize(
    ("line", "made"),
    [
        ("sed s/a/b/ x.sh | sh", "sh may execute"),
        ("bash <(sed 1d x.sh)", "bash may execute"),
        ('eval "$(sed 1d x.sh)"', "eval may execute"),
        ("cp x.sh y.sh; sh y.sh", "y.sh is made of"),
        ("sed s/a/b/ x.sh > y.sh; ./y.sh", "y.sh is made of"),
        ("cat x.sh | tee y.sh; . ./y.sh", "y.sh is made of"),
        ("mkdir d; cp x.sh d; sh d/x.sh", "d/x.sh is made of"),
        ("cp x.sh /srv/y.sh; sh /srv/y.sh", "/srv/y.sh is made of"),
        ("python c.py", "y.sh is made of"),
    ],
)
def test_code_that_is_made_of_a_file_is_warned_of(root: Path, line: str, made: str) -> None:
    write(root, "x.sh")
    copy = "import shutil, subprocess\nshutil.copy('x.sh', 'y.sh')\n"
    write(root, "c.py", copy + "subprocess.run(['sh', 'y.sh'])")
    message = f"{made} x.sh, which is not captured"
    assert told(root, command(line)) == [message]
    write(root, "y.sh")  # of an earlier run
    assert told(root, command(line)) == [message]
    for key in ("include", "exclude"):
        assert told(root, command(line), head=f"{key}: [x.sh]\n") == []
    two = line.partition(";")[0], line.partition(";")[2] or "true"
    assert told(root, *map(command, two)) == [message]


@pytest.mark.parametrize(
    "task",
    [
        command("python t.py"),
        command("python -m lib.y"),
        "executor: python, file: lib/y.py",
        "executor: python, module: lib.y",
    ],
)
def test_a_module_that_is_made_of_a_file_is_warned_of(root: Path, task: str) -> None:
    for path in ("x.py", "lib/y.py"):
        write(root, path)
    write(root, "t.py", "import lib.y")
    makes = command("cp x.py lib/y.py")
    assert told(root, makes, task) == ["lib/y.py is made of x.py, which is not captured"]
    for key in ("include", "exclude"):
        assert told(root, makes, task, head=f"{key}: [x.py]\n") == []


def test_code_that_is_made_of_a_file_by_way_of_another_is_warned_of(root: Path) -> None:
    write(root, "x.sh")
    line = "sed 1d x.sh > y.sh; cp y.sh z.sh; cp z.sh y.sh; sh z.sh"
    assert told(root, command(line)) == ["z.sh is made of x.sh, which is not captured"]


def test_a_module_that_is_written_may_go_before_another_one(root: Path) -> None:
    write(root, "x.py", "import gen")
    write(root, "gen.py")
    tasks = command("echo > gen/__init__.py"), command("python x.py")
    for _ in range(2):
        found = captured(root, *tasks)
        assert list(found.files) == ["gen.py", "x.py"]
        assert [problem.file for problem in found.silent] == ["w/x.py"]
        write(root, "gen/__init__.py")  # as a run does


def test_a_module_that_a_task_writes_is_told_where_a_python_task_is_to_import_it(
    root: Path,
) -> None:
    write(root, "x.py", "import os\nfrom lib import made")
    write(root, "lib/other.py")
    tasks = command("echo 1 > lib/made.py"), "executor: python, file: x.py"
    for _ in range(2):
        (found,) = captured(root, *tasks).unknown
        assert (found.file, found.line) == ("w/x.py", 2)
        assert found.message.startswith("lib/made.py is data, as a task writes it")
        assert found.hint and found.hint.startswith("`exclude: [lib/made.py]`")
        write(root, "lib/made.py")  # as a run does
    for key in ("include", "exclude"):
        assert told(root, *tasks, head=f"{key}: [lib/made.py]\n") == []
    assert told(root, tasks[0], command("python x.py")) == []


@pytest.mark.parametrize("line", ["cat x.sh | sh", 'eval "$(cat x.sh)"', ". <(cat x.sh)"])
def test_what_is_executed_as_another_program_prints_it_is_captured(root: Path, line: str) -> None:
    write(root, "x.sh", "sh z.sh")
    write(root, "z.sh")
    found = captured(root, command(line))
    assert (list(found.files), found.unknown) == (["x.sh", "z.sh"], ())


def test_commands_out_of_data_are_no_reason_for_a_warning(root: Path) -> None:
    write(root, "d.csv")
    write(root, "gen.py")
    for line in ("awk 1 d.csv | sh", "python gen.py d.csv | sh", 'eval "$(ssh-agent -s)"'):
        assert told(root, command(line)) == []
    assert told(root, command("sort d.csv > e.csv; sqlite3 x.db < e.csv")) == []


def test_a_link_to_a_script_that_python_takes_for_its_file_is_warned_of(root: Path) -> None:
    write(root, "real/run.py", "import helper, json")
    write(root, "real/alone.py", "import json")
    write(root, "real/helper.py")
    (root / "tasks").mkdir()
    for name in ("run.py", "alone.py"):
        (root / "tasks" / name).symlink_to(f"../real/{name}")
    (found,) = captured(root, command("python tasks/run.py")).unknown
    assert found.message == (
        "tasks/run.py is a link, and Python imports real/helper.py beside real/run.py"
    )
    assert (found.line, found.hint) == (3, "name real/run.py, as old versions have no link")
    assert told(root, command("python tasks/alone.py")) == []
    (root / "same").symlink_to("real")
    assert told(root, command("python same/run.py; python real/run.py")) == []
    write(root, "x.sh", "python tasks/run.py")
    (found,) = captured(root, command("sh x.sh")).unknown
    assert found.file == "w/x.sh"


@pytest.mark.parametrize("name", ["code", "test"])
def test_a_folder_that_is_named_like_a_module_of_python_is_warned_of(root: Path, name: str) -> None:
    write(root, f"{name}/etl.py")
    write(root, "t.py", f"import json\nimport {name}.etl, os.path")
    message = f"{name}.etl is not found: {name} is a module of Python itself"
    (found,) = captured(root, "executor: python, file: t.py").unknown
    assert (found.message, found.file, found.line) == (message, "w/t.py", 2)
    for task in (f"executor: python, module: {name}.etl", command(f"python -m {name}.etl")):
        assert told(root, task) == [message]
    write(root, "s.py", f"import {name}, xml.dom")
    assert told(root, "executor: python, file: s.py") == []
    write(root, f"{name}/__init__.py")
    assert told(root, "executor: python, file: t.py") == []


def test_a_script_that_is_not_there_may_be_another_or_lie_in_the_folder_above(root: Path) -> None:
    write(root.parent, "q.sql")
    write(root, "load.sh")
    for line, hint in (
        ("psql < q.sql", "it lies in the folder above, where paths begin with `root: ..`"),
        ("sh laod.sh", "did you mean load.sh?"),
        ("sh gone.sh", "paths are relative to the folder of the workflow file; what a task writes"),
    ):
        (found,) = captured(root, command(line)).unknown
        assert (found.hint or "").startswith(hint)
    (found,) = captured(root, command("sh gone.sh"), head="root: ..\n").unknown
    assert (found.hint or "").startswith("paths are relative to `root`; ")


def test_machine_code_that_is_too_large_can_be_left_out(root: Path) -> None:
    write(root, "t.py", "import fast")
    os.truncate(write(root, "fast.so"), 1 << 40)
    found = problem(root, "executor: python, file: t.py")
    assert found.hint is not None and found.hint.endswith(
        "`exclude: [fast.so]` says that it is data"
    )
    assert list(take(root, "executor: python, file: t.py", head="exclude: [fast.so]\n")) == ["t.py"]


def test_an_import_from_the_package_of_a_file_that_is_executed_by_its_path_is_warned_of(
    root: Path,
) -> None:
    write(root, "p/b.py")
    write(root, "p/a.py", "import os\nfrom . import b")
    (found,) = captured(root, "executor: python, file: p/a.py").unknown
    assert (found.file, found.line) == ("w/p/a.py", 2)
    assert found.message.endswith("as part of no package, so this import fails")
    assert found.hint == "`module: p.a` executes it as part of one"
    (found,) = captured(root, command("python p/a.py")).unknown
    assert found.hint == "`python -m p.a` executes it as part of one"
    write(root, "a.py", "from .b import x")
    (found,) = captured(root, "executor: python, file: a.py").unknown
    assert found.hint == "leave the dot out"
    write(root, "c.py", "import p.a")
    for task in ("python, module: p.a", "python, file: c.py", "process, command: python -m p.a"):
        assert told(root, f"executor: {task}") == []
    write(root, "p/__init__.py")
    assert told(root, "executor: python, file: p/a.py") == []
    for task in (command("python p/a.py"), "executor: process, file: p/a.py"):
        hints = [found.hint for found in captured(root, task).unknown]
        assert "`python -m p.a` executes it as part of one" in hints
    for text in (
        "try:\n    from . import b\nexcept ImportError:\n    import b",
        "__package__ = 'p'\nfrom . import b",
        "'''\nfrom . import b\n'''",
    ):
        write(root, "p/a.py", text)
        assert told(root, "executor: python, file: p/a.py") == []
