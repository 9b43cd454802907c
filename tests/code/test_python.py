"""The modules that a source text names."""

from __future__ import annotations

from itertools import pairwise

import pytest

from ork.code.python import reader
from ork.code.python.expressions import FOLDERS_MAX
from ork.code.python.reader import HANDED_MAX, STARTED_MAX, read_inline, read_python
from ork.code.use import OWN, WORK, Code, Unreadable, Use


def code(source: str, *, is_package: bool = False) -> Code:
    found = read_python(source.encode(), is_package=is_package)
    assert not isinstance(found, Unreadable)
    return found


def names(source: str, *, is_package: bool = False) -> list[str]:
    uses = code(source, is_package=is_package).uses
    return [use.text for use in uses if use.role == "imported" and not use.paths]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import a", ["a"]),
        ("import a.b as c, d", ["a.b", "d"]),
        ("from a import b", ["a", "a.b"]),
        ("from a.b import (c as d, e)", ["a.b", "a.b.c", "a.b.e"]),
        ("from a import *", ["a"]),
        ("from . import x", [".", ".x"]),
        ("from ..a import x", ["..a", "..a.x"]),
        ("from .. import *", [".."]),
        ("def f():\n  try:\n    import a\n  except ImportError:\n    import b", ["a", "b"]),
        ("if x:\n  import a\nelse:\n  class C:\n    from b import c", ["a", "b", "b.c"]),
        ("import importlib\nimportlib.import_module('a.b')", ["a.b", "importlib"]),
        ("import_module(name='a')", ["a"]),
        ("NAME = 'a'\nimport_module(NAME)", ["a"]),
        ("exec('import a\\nfrom b import c')", ["a", "b", "b.c"]),
        ("CODE = 'import a'\nexec(CODE)\nexec('x = ')", ["a"]),
        ("eval(\"__import__('a').x\")\neval(text)\ndf.eval('import_module(x)')", ["a"]),
        ("importlib.util.find_spec('a.b')\nfind_spec(name)", ["a.b"]),
        ("pkgutil.resolve_name('a.b:c')\npydoc.locate('d.E')", ["a.b", "d.E"]),
        ("import_module('.x', package=__package__)", [".x"]),
        ("__import__('a')", ["a"]),
        ("import_module(x)\n__import__(f'{x}')\nimport_module('not a name')\n__import__()", []),
        ("'import a'  # import b", []),
        ("", []),
    ],
)
def test_imports_are_found_wherever_they_stand(source: str, expected: list[str]) -> None:
    assert sorted(names(source)) == sorted(expected)


def test_a_package_names_what_a_star_import_takes() -> None:
    assert names("__all__ = ['a', 'b']\n__all__ += ('c',)", is_package=True) == [".a", ".b", ".c"]
    assert names("__all__ = ['a']") == []


def test_an_encoding_line_is_obeyed() -> None:
    found = read_python("# coding: latin-1\nimport é".encode("latin-1"))
    assert found == Code((Use("imported", text="é"),))


def test_nothing_is_executed() -> None:
    assert names("raise SystemExit(1)\nimport a") == ["a"]


@pytest.mark.parametrize(
    ("source", "line"),
    [
        (b"import a\ndef f(:\n", 2),
        (b"x = '", 1),
        (b"a\0b", 0),
        (b"\xff\xfe", 0),
        (b"# coding: nothing-known\n", 0),
        (b"x = " + b"(" * 5000, 1),
        (b"x" + b".y" * 100_000, 0),
        (b"-" * 100_000 + b"1", 0),
    ],
)
def test_what_is_no_python_is_a_result(source: bytes, line: int) -> None:
    found = read_python(source)
    assert isinstance(found, Unreadable)
    assert found.message
    assert found.line in (line, 0, 1)


def test_a_warning_about_the_source_is_not_ours() -> None:
    assert names("import a\nx = '\\d'\nassert (1, 'x')\n") == ["a"]


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("import_module(name)", 1),
        ("x = 1\n__import__('a' + x)", 2),
        ("import runpy\n\nrunpy.run_path(sys.argv[1])", 3),
        ("exec(open(path).read())", 1),
        ("exec(text)", 1),
        ("spec_from_file_location('a', f'{x}.py')", 1),
        ("sys.path.insert(0, os.environ['LIB'])", 1),
        ("sys.path += [x]", 1),
        ("__path__.append('x')", 1),
        ("def f(name):\n    return import_module(name)", 2),
        ("from importlib import import_module as load\nload(x)", 2),
        ("import importlib\nload = importlib.import_module\nload(x)", 3),
        ("load = __import__\nagain = load\nagain(x)", 3),
        ("mods = list(map(__import__, names))", 1),
        ("from runpy import run_path as run\nrun(x)", 2),
        ("from sys import path as places\nplaces.append(x)", 2),
    ],
)
def test_a_name_that_is_computed_is_not_known(source: str, line: int) -> None:
    (found,) = [use for use in code(source).uses if use.is_unclear]
    assert found.line == line and found.text


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("runpy.run_path('a/b.py')", "a/b.py"),
        ("exec(open('b.py').read())", "b.py"),
        ("exec(compile(open('b.py').read(), 'b.py', 'exec'))", "b.py"),
        ("exec((Path(__file__).parent / 'b.py').read_text())", f"{OWN}/../b.py"),
        ("HERE = Path(__file__).resolve().parent\nrun_path(str(HERE / 'b.py'))", f"{OWN}/../b.py"),
        ("spec_from_file_location('b', os.path.join(os.getcwd(), 'b.py'))", f"{WORK}/b.py"),
    ],
)
def test_a_file_that_is_run_by_a_literal_path_is_found(source: str, path: str) -> None:
    (found,) = [use for use in code(source).uses if use.paths]
    assert found.paths <= {path, f"{WORK}/{path}"}


@pytest.mark.parametrize(
    ("source", "folder"),
    [
        ("sys.path.insert(0, 'lib')", f"{WORK}/lib"),
        ("sys.path.append(str(Path(__file__).parent / 'lib'))", f"{OWN}/../lib"),
        ("sys.path.append(os.path.dirname(os.path.abspath(__file__)))", f"{OWN}/.."),
        ("sys.path.append(os.path.join(os.path.dirname(__file__), '..'))", f"{OWN}/../.."),
        ("sys.path.insert(0, str(Path(__file__).parents[1]))", f"{OWN}/../.."),
        ("sys.path[:0] = ['lib']", f"{WORK}/lib"),
        ("sys.path = ['lib', *sys.path]", f"{WORK}/lib"),
        ("site.addsitedir('lib')", f"{WORK}/lib"),
    ],
)
def test_folders_that_are_added_to_the_search_are_found(source: str, folder: str) -> None:
    found = code(source)
    assert found.search == {folder} and not any(use.is_unclear for use in found.uses)


def test_a_name_that_means_two_things_is_not_followed() -> None:
    assert code("lib = 'a'\nlib = 'b'\nsys.path.append(lib)").search == frozenset()
    assert code("lib = 'a'\ndef f(lib):\n    sys.path.append(lib)").search == frozenset()


def test_commands_that_python_starts_are_read() -> None:
    source = """
subprocess.run(["sh", "./a.sh", day], check=True)
os.system("./b.sh > out")
subprocess.check_call([sys.executable, "c.py"])
subprocess.run(["git", "commit", message])
subprocess.run(["./d.sh"], cwd="sub")
from subprocess import run as start
start(["./e.sh"])
command = ["sh", "./f.sh"]
command.append(day)
subprocess.run(command)
subprocess.run(["./g.sh"] + sys.argv)
os.system(f"sh ./h.sh {day} > {folder}/x")
os.system("./i.sh " + day)
subprocess.run(shlex.split("sh ./j.sh"))
subprocess.run("sh ./k.sh".split())
subprocess.run(shlex.split(f"sh {script}"))
asyncio.create_subprocess_exec("sh", "./l.sh", day)
os.execvp("sh", ["-sh", "./m.sh"])
os.execl("/bin/sh", "sh", "./n.sh", day)
os.spawnlp(os.P_WAIT, "sh", "sh", "./o.sh")
os.posix_spawn("/bin/sh", ["sh", "./p.sh"], os.environ)
"""
    found = code(source)
    paths = {path for use in found.uses for path in use.paths}
    assert paths - {"/bin/sh"} == {
        f"{WORK}/{name}"
        for name in ("c.py", "sub/./d.sh", *(f"./{x}.sh" for x in "abefghijklmnop"))
    }
    assert found.writes == {f"{WORK}/out"}
    assert [use.line for use in found.uses if use.role == "unclear"] == [17]


@pytest.mark.parametrize(
    "source",
    [
        "os.system(' '.join(['sh', './x.sh', day]))",
        "os.system('sh {}.sh {day:x}'.format('./x', day=day))",
        "os.system('sh %s %d' % ('./x.sh', n))",
        "os.system(shlex.join(['sh', './x.sh']))",
        "subprocess.run([shutil.which('sh'), './x.sh'])",
        "SH = os.environ.get('SH', 'sh')\nsubprocess.run([SH, './x.sh'])",
        "subprocess.run(['sh'], stdin=open('./x.sh'))",
        "subprocess.run(['sh', '-s'], input=Path('./x.sh').read_text(), text=True)",
        "with open('./x.sh') as file:\n    subprocess.run(['sh'], stdin=file)",
        "start = partial(subprocess.run, check=True)\nstart(['sh', './x.sh'])",
        "Process(target=subprocess.run, args=(['sh', './x.sh'],)).start()",
        "pool.submit(subprocess.run, ['sh', './x.sh'])",
        "pool.submit(os.system, 'sh ./x.sh')",
        "list(map(os.system, ('sh ./x.sh',)))",
    ],
)
def test_more_ways_to_start_a_script_are_read(source: str) -> None:
    uses = [use for use in code(source).uses if use.role == "script"]
    assert [use.paths for use in uses] == [{f"{WORK}/./x.sh"}]


def test_a_command_starts_in_the_folder_that_the_program_has_entered() -> None:
    found = code("os.chdir('sub')\nos.system('sh x.sh')\nos.system('sh y.sh', cwd='z')")
    paths = {path for use in found.uses for path in use.paths}
    assert paths == {f"{WORK}/x.sh", f"{WORK}/sub/x.sh", f"{WORK}/z/y.sh"}
    (use,) = code("os.chdir(day)\nos.system('sh x.sh')").uses[:1]
    assert code("os.chdir(day)\nos.system('sh x.sh')").uses != (use,)


@pytest.mark.slow
def test_of_a_program_that_enters_many_folders_it_is_not_known_where_it_starts_others() -> None:
    entered = "".join(f"os.chdir('d{number}')\n" for number in range(FOLDERS_MAX))
    assert {use.role for use in code(f"{entered}os.system('sh x.sh')").uses} == {"unclear"}
    started = code("os.chdir('d')\n" * 20_000 + "os.system('sh x.sh')\n" * 20_000).uses
    assert {use.role for use in started} == {"script", "unclear"}


def test_a_line_that_doubles_with_each_name_is_read_to_an_end() -> None:
    doubled = "".join(f"a{n} = a{n - 1} + a{n - 1}\n" for n in range(1, 26))
    assert not code(f"a0 = 'x'\n{doubled}os.system(a25)").writes


def test_a_line_that_cannot_be_split_counts_among_what_a_program_starts() -> None:
    line = f'subprocess.run("\'{"a" * STARTED_MAX}".split())\n'
    assert {use.role for use in code(f"{line}os.system('sh x.sh')").uses} == {"unclear"}


@pytest.mark.parametrize(("begin", "part", "end"), [("f'", "{{{}}}", "'"), ("join(", "{}, ", ")")])
def test_paths_that_grow_with_each_name_are_read_to_an_end(begin: str, part: str, end: str) -> None:
    names = [f"a{number}" for number in range(8)]
    lines = [
        f"{name} = {begin}{part.format(before) * 200}{end}" for before, name in pairwise(names)
    ]
    assert not code("\n".join(["a0 = 'x'", *lines, "sys.path.insert(0, a7)"])).writes


def test_variables_count_among_what_a_program_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "STARTED_MAX", 10)
    start = "subprocess.run('sh x.sh', env={{" + "'A{}': 'b'," * 10 + "}})\n"
    lines = (start * 2).format(*range(20))
    assert [use.role for use in code(lines).uses] == ["script", "unclear"]


def test_of_many_functions_that_start_commands_some_are_left_open() -> None:
    uses = code(f"f({'os.system, ' * (HANDED_MAX + 1)} 'sh x.sh')").uses
    assert {use.role for use in uses} == {"unclear"}
    assert [use.role for use in code("f(os.system, 'sh x.sh')").uses] == ["script"]


def test_calls_that_are_long_in_all_are_told_by_their_lines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reader, "SHOWN_MAX", 10)
    uses = code("import_module(name)\nimport_module(name)").uses
    assert [(use.line, use.text) for use in uses] == [(2, ""), (1, "import_module(name)")]


def test_variables_that_a_program_sets_are_those_of_what_it_starts() -> None:
    for source in (
        "os.environ['PYTHONPATH'] = 'lib'\nos.system('python -m m')",
        "subprocess.run(['python', '-m', 'm'], env={**os.environ, 'PYTHONPATH': 'lib'})",
    ):
        (use,) = code(source).uses
        assert use.search == {f"{WORK}/lib"}


def test_paths_from_the_file_itself_are_read_in_texts() -> None:
    for source in (
        "HERE = Path(__file__).parent\nsubprocess.run(['sh', f'{HERE}/x.sh'])",
        "subprocess.run(['sh', os.path.dirname(__file__) + '/x.sh'])",
        "HERE = os.path.dirname(__file__)\nos.system(f'sh {HERE}/x.sh {day}')",
        "subprocess.run(shlex.split(f'sh {Path(__file__).parent}/x.sh'))",
    ):
        (use,) = [use for use in code(source).uses if use.role == "script"]
        assert use.paths == {f"{OWN}/../x.sh"}
        assert "\0" not in use.text


def test_names_that_a_package_gives_are_modules() -> None:
    source = "__all__ = ['a'] + ['b']\n__all__ += ['c']\n__all__.append('d')\n__all__.extend(['e'])"
    uses = code(source, is_package=True).uses
    assert [use.text for use in uses] == [".a", ".b", ".c", ".d", ".e"]


@pytest.mark.parametrize(
    "source",
    [
        "os.system(line)",
        "line = line + 'x'\nos.system(line)",
        "subprocess.run([tool, 'x'])",
        "subprocess.run(['sh', script])",
        "words = ['sh']\nwords.append(script)\nsubprocess.run(words)",
        "words = words + ['sh']\nsubprocess.run(words)",
    ],
)
def test_a_command_that_is_computed_is_left_open_without_a_word(source: str) -> None:
    (found,) = code(source).uses
    assert found.role == "unclear" and not found.is_unclear


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("words = ['sh']\nwords.append('x.sh')\nsubprocess.run(words)", f"{WORK}/x.sh"),
        ("SQL = Path(__file__).parent / 'sql'\nrun(SQL, 'x.sql')", f"{OWN}/../sql/x.sql"),
        ("run(Path('a') / 'x.sql')", f"{WORK}/a/x.sql"),
        ("files('a.b').joinpath('x.sql').read_text()", f"{WORK}/a/b/x.sql"),
        ("FileSystemLoader('a')\nget_template('x.sql.j2')", f"{WORK}/a/x.sql.j2"),
        ("FileSystemLoader('a')\nget_template('x.html')", f"{WORK}/a/x.html"),
        ("PackageLoader('a.b')\nget_template('x.html')", f"{WORK}/a/b/templates/x.html"),
        ("PackageLoader('a', 't')\nget_template(f'{x}.j2')", f"{WORK}/a/t/*.j2"),
        ("resources.read_text('a.b', 'x.sql')", f"{WORK}/a/b/x.sql"),
        ("open(os.path.join('a', 'x.sql'))", f"{WORK}/a/x.sql"),
        ("open(f'{x}.sql')", f"{WORK}/*.sql"),
        ("open(f'a/{x}{y}.sql')", f"{WORK}/a/*.sql"),
        ("open('a/' + x + '.sql')", f"{WORK}/a/*.sql"),
        ("open('a/%s.sql' % x)", f"{WORK}/a/*.sql"),
        ("open('a/{}.sql'.format(x))", f"{WORK}/a/*.sql"),
        ("A = Path(__file__).parent / 'a'\nrun(A / f'{x}.sql')", f"{OWN}/../a/*.sql"),
        ("Path(__file__).with_name('a').joinpath(x)\nPath('a').glob('*.sql')", f"{WORK}/a/*.sql"),
        ("Path('a').rglob('*.sql')", f"{WORK}/a/**/*.sql"),
        ("glob.glob('a/*.sql')", f"{WORK}/a/*.sql"),
        ("subprocess.run(['sh', f'a/{x}.sh'])", f"{WORK}/a/*.sh"),
    ],
)
def test_files_that_are_named_as_code_is_are_told(source: str, path: str) -> None:
    (use,) = [use for use in code(source).uses if use.role == "named"]
    assert path in use.paths


@pytest.mark.parametrize(
    "source",
    [
        "subprocess.run(['sh', 'x.sh'])",
        "subprocess.run(['./x.sh'], cwd='a')",
        "open('x.sql', 'w')",
        "open(f'a/{x}.sql', 'w')",
        "open(f'{folder}/{x}.sql')",
        "open(folder / f'{x}.sql')",
        "folder.glob('*.sql')",
        "glob.glob('*.py')",
        "glob.glob('**/*.py')",
        "Path('x.sql').write_text(made)",
        "shutil.copy('x.sql', 'd.csv')",
        "print('see x.sql', 'x.csv', 'a/__init__.py')",
    ],
)
def test_files_that_are_data_or_known_are_not_told_as_named(source: str) -> None:
    assert not [use for use in code(source).uses if use.role == "named"]


def test_of_many_files_that_are_named_some_are_left_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "NAMED_MAX", 1)
    assert [use.role for use in code("run('x.sql', 'y.sql')").uses] == ["named", "unclear"]


def test_a_module_is_imported_from_the_package_that_is_given() -> None:
    for given in ("'.a', 'p.q'", "'.a', package='p.q'"):
        assert [use.text for use in code(f"import_module({given})").uses] == ["p.q.a"]
    assert [use.text for use in code("import_module('.a', __package__)").uses] == [".a"]


def test_a_class_that_a_dictionary_names_is_imported() -> None:
    for key in ("()", "class", "_target_"):
        assert [use.text for use in code(f"f({{'x': {{{key!r}: 'a.b.C'}}}})").uses] == ["a.b.C"]
    assert not code("{'class': 'a b.c', 'name': 'a.b', '()': make, 1: 'a.b', **more}").uses


def test_django_loads_code_by_rules_of_its_own() -> None:
    for source in ("execute_from_command_line(sys.argv)", "import django\ndjango.setup()"):
        assert [use.text for use in code(source).uses if use.role == "loaded"] == ["django"]


def test_what_the_shell_expands_in_code_is_left_open() -> None:
    found = read_inline("import m; m.f($DAY, '${X:-1}')")
    assert isinstance(found, Code) and [use.text for use in found.uses] == ["m"]
    assert isinstance(read_inline("import ("), Unreadable)
