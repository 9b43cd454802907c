"""What a shell text executes, by role; and what it leaves open."""

from __future__ import annotations

import posixpath
import random
import shlex
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ork.code.shell.reader import COMMANDS_MAX, read_shell, read_words
from ork.code.use import OWN, WORK, ZERO, Code

SIGNS = {f"{WORK}/./": "", f"{WORK}/": "", WORK: ".", f"{OWN}/..": "<own>", f"{ZERO}/..": "<zero>"}


def shown(path: str | None) -> str:
    for begin, sign in SIGNS.items():
        if path is not None and path.startswith(begin):
            return sign + path[len(begin) :]
    return "?" if path is None else path


def executed(code: Code) -> list[str]:
    """Return `role path` for each use, in order; the paths that are possible between bars.

    Names of programs are left out, which may mean any, and code in other languages.
    """
    return [
        f"{use.role} {'|'.join(sorted(map(shown, use.paths))) or use.text}"
        if use.role != "loaded"
        else f"loaded by {use.text}"
        for use in code.uses
        if use.role != "command" and (use.role != "code" or use.language == "python")
    ]


@pytest.mark.parametrize(
    ("line", "uses"),
    [
        # the program is the first word of a simple command, if it has a slash
        ("./load.sh a b", ["program load.sh"]),
        ("load.sh; build; done.sh", []),
        ("sub/x && ./y|./z;(./u) & ./v", [f"program {x}" for x in ("sub/x", "y", "z", "u", "v")]),
        ("((./a); ./b); c; ((./d); ./e)", [f"program {x}" for x in "abde"]),
        ("A=1 B='x y' ./x", ["program x"]),
        ("'./my file.sh' \"b\"", ["program my file.sh"]),
        ("./my\\ file.sh", ["program my file.sh"]),
        ("/usr/bin/tool x.sh", ["program /usr/bin/tool", "given x.sh"]),
        # redirections, comments and data are none
        ("< in ./x > out 2>&1 3>log >> more &> all", ["program x"]),
        ("cat data.csv | sort -k 2 # ./x", []),
        ("echo ./a.sh; tar cf ./out.tar ./b.sh; rm ./c.sh; cp ./d.sh e", []),
        ("sed -i s/one/two/ b.sh; docker pull x; sqlite3 app.db", []),
        ("cat <<END\n./x\nEND\n./y", ["program y"]),
        ("cat <<-'A' <<B\n./x\n\tA\n./z\nB\n./y", ["program y"]),
        ("cat <<END; ./y\n$(./x) `./z`\nEND", ["program x", "program z", "program y"]),
        # reserved words
        ("if ./a; then ./b; elif ./c; then ./d; else ./e; fi", [f"program {x}" for x in "abcde"]),
        ("while ./a; do ./b; done; until ./c; do ./d; done", [f"program {x}" for x in "abcd"]),
        ("for i in ./x ./y; do ./a $i; done", ["program a"]),
        ("for done in 1 2; do echo $done; done", []),
        (
            "case $x in ./a|./b) ./c;; (./d) ./e;; *) ./f; esac; ./g",
            [f"program {x}" for x in "cefg"],
        ),
        ("! ./a && { ./b; } && time -p ./c", ["program a", "program b", "program c"]),
        ("[[ $a == ./x && ( ! -e ./y ) ]] && ./z", ["program z"]),
        ("((x++)); a=$((1 + 2)); ./z", ["program z"]),
        ("f() { ./a; }; g () ( ./b ); function h { ./c; }", [f"program {x}" for x in "abc"]),
        ('a=(1 ./x "./y"); ./z', ["program z"]),
        # substitutions
        ("x=$(./a $(./b)) `./c`", ["program b", "program a", "program c", "program ?"]),
        ('echo "$(./a "x y") \\$(./no) ${X:-$(./b)}"', ["program a", "program b"]),
        ("diff <(./a) <(./b)", ["program a", "program b"]),
        # programs that start others
        ("exec ./a", ["program a"]),
        ("nohup nice -n 5 timeout -k 1 10 env -u X A=1 ./a x", ["program a"]),
        ("xargs -n 1 ./a < list", ["program a"]),
        ("command -v ./a; command ./b; sudo -u me ./c", ["program b", "program c"]),
        ("uv run python x.py; poetry run ./a", ["script x.py", "program a"]),
        ("find . -name '*.x' -exec sh ./a {} \\;", ["script a"]),
        ("trap './a' EXIT; eval './b x'", ["program a", "program b"]),
        (
            "uv run x.py; uv --quiet run -m pkg.a; uv run --script y; pipx run ./z.py",
            ["script x.py", "module pkg.a", "script y", "script z.py"],
        ),
        (
            "uv run --directory d python x.py; env --chdir=d sh y.sh; env -C d ./z; ./a",
            ["script d/x.py", "script d/y.sh", "program d/./z", "program a"],
        ),
        ("cd sub && env -C .. sh a.sh && sh b.sh", ["script sub/../a.sh", "script sub/b.sh"]),
        (
            "env -S 'python -u x.py' y; flock lock -c './a; ./b'",
            ["script x.py", "program a", "program b"],
        ),
        (
            "env -iS 'python x.py' y; env --split-string='python y.py'; uv --project d run z.py",
            ["script x.py", "script y.py", "script z.py"],
        ),
        (
            "mpirun -n 4 python x.py; srun --mem 4G -n 2 ./y; taskset -c 0 sh z.sh",
            ["script x.py", "program y", "script z.sh"],
        ),
        (
            "op run --env-file=.env -- ./a; aws-vault exec p -- ./b; dotenv -f e run ./c",
            ["program a", "program b", "program c"],
        ),
        (
            "hatch -e test run python x.py; mamba run -n e python y.py; perf record ./a",
            ["script x.py", "script y.py"],
        ),
        # of which words come from elsewhere
        ("find . -exec sh {} +; find . -exec ./{} \\;", ["script ?", "program ?"]),
        ("ls | xargs -n1 sh; ls | xargs python x.py; ls | xargs -r", ["script ?", "script x.py"]),
        ("ls | xargs -I% sh %; xargs -I {} sh -c './a {}'", ["script ?", "program a"]),
        ("parallel sh ./{} ::: a b; parallel sh ::: a b", ["script ?", "script ?"]),
        # what the shell makes of a variable: several words, or none
        ('RUN="python -u"; $RUN x.py; "$RUN" y.py', ["script x.py", "given y.py"]),
        ("C='sh x.sh'; $C; eval \"$C\"", ["script x.sh", "script x.sh"]),
        ("DRY=; $DRY ./a; O='-e -u'; sh $O x.sh", ["program a", "script x.sh"]),
        ("${DRY:+echo} ./a; A=${X:+./b c}; $A", ["program a", "program b"]),
        ("${PY:-python -u} x.py; ${X:-$(y)} ./a", ["script x.py", "program ?"]),
        ("C='sh *.sh'; $C; D='cd sub'; $D; ./a", ["script ?", "program sub/./a"]),
        # programs in folders of the project that the text puts into PATH
        ("PATH=$PWD/bin:$PATH t a; t", ["program bin/t"]),
        (
            'export PATH="$(dirname "$0")/bin:$PATH"; t | u',
            ["program <zero>/bin/t", "program <zero>/bin/u"],
        ),
        ("PATH=$PATH:bin; sh x.sh", ["program bin/sh", "script x.sh"]),
        ("PATH=/opt/bin:$PATH; t", ["program /opt/bin/t"]),
        ('$PYTHON x.py; ${PY} -m a; "$SHELL" x.sh', ["script x.py", "module a", "script x.sh"]),
        # interpreters
        ("python train.py feat.csv model.bin", ["script train.py"]),
        ("python3.12 -u -W error -X dev a/b.py x.py", ["script a/b.py"]),
        (".venv/bin/python x.py", ["program .venv/bin/python", "script x.py"]),
        (
            "python -m pkg.mod x.py; python -um pdb x.py",
            ["module pkg.mod", "module pdb", "script x.py"],
        ),
        (
            "coverage run -m pkg; python -m coverage run -m pkg; python -m runpy pkg",
            ["module pkg", "module coverage", "module pkg", "module runpy", "module pkg"],
        ),
        (
            "spark-submit --py-files l.py --conf a=b x.py y; accelerate launch z.py",
            ["script l.py", "script x.py", "script z.py"],
        ),
        (
            "script -qec './a; ./b' log; sbatch -p big x.sh; pwsh -File x.ps1",
            ["program a", "program b", "script x.sh", "script x.ps1"],
        ),
        ("python -c 'import a' x.py", ["code import a"]),
        ("python - < x.py; python < y.py; python -", ["script x.py", "script y.py"]),
        ("python - x <<'END'\nimport a\nEND", ["code import a\n"]),
        (
            "sh x.sh; bash -eu -o pipefail y.sh a.sh; . ./z",
            ["script x.sh", "script y.sh", "sourced z"],
        ),
        ("bash -euo pipefail -c './a; ./b' ./no", ["program a", "program b"]),
        ('sh -c "cd sub && ./a $X"', ["program sub/./a"]),
        (
            "sh < x.sh; bash -s a.sh < y.sh; sh <<END\n./a\nEND\ncat z.sh | sh -x",
            ["script x.sh", "script y.sh", "program a", "script z.sh"],
        ),
        ("awk -F , -f x.awk data.csv; awk '{print}' y.awk", ["script x.awk"]),
        ("sed -n -f x.sed data; sed -f y.sed -e p z", ["script x.sed", "script y.sed"]),
        ("perl -ne 'print' x.txt; perl -w s.pl y.txt", ["script s.pl"]),
        ("Rscript --vanilla a.R data.csv; R --no-init-file -e 'x' b.R", ["script a.R"]),
        ("cd a; Rscript -e 'x' b.R; cd $X; Rscript -e 'x'", ["script a/.Rprofile"]),
        ("R_PROFILE_USER=a.R Rscript --vanilla b.R", ["script a.R", "script b.R"]),
        (
            "node a.js; deno run a.ts; ruby -w a.rb; php a.php; julia -t 4 a.jl",
            [f"script a.{x}" for x in ("js", "ts", "rb", "php", "jl")],
        ),
        ("make -f x.mk all; make all -f y.mk", ["script x.mk", "script y.mk"]),
        (
            'psql "$URL" -v a=1 -f q.sql; duckdb a.db -f r.sql; jq . -f x.jq a.json',
            ["script q.sql", "script r.sql", "script x.jq"],
        ),
        (
            "Rscript --vanilla x.R -e no; awk x -f no.csv; perl s.pl -e no",
            ["script x.R", "script s.pl"],
        ),
        (
            "psql db me < q.sql; sqlite3 a.db < r.sql; cat s.sql | mysql -u me db; duckdb -f t.sql",
            [f"script {x}.sql" for x in "qrst"],
        ),
        (
            "psql -c 'copy t from stdin' < a.csv; sqlite3 a.db '.import /dev/stdin t' < b.csv;"
            "mysql -e 'load' db < c.csv; clickhouse-client -q 'insert' < d.csv; bq load t < e.csv",
            [],
        ),
        (
            "psql -c x -f q.sql; java -cp lib -jar a.jar b.jar; jq -e 1 < x.json",
            ["script q.sql", "script lib", "script a.jar"],
        ),
        (
            "psql -f q.sql -c x db; java -cp l.jar:k.jar -jar a.jar b.jar",
            ["script q.sql", "script l.jar", "script k.jar", "script a.jar"],
        ),
        # what is sourced
        (". lib/a.sh; source b.sh", ["sourced lib/a.sh", "sourced b.sh"]),
        ('. "$(dirname "$0")/a.sh"', ["sourced <zero>/a.sh"]),
        ('. "${0%/*}/a.sh"; . `dirname $0`/b.sh', ["sourced <zero>/a.sh", "sourced <zero>/b.sh"]),
        ('source "$(dirname "${BASH_SOURCE[0]}")/a.sh"', ["sourced <own>/a.sh"]),
        ('source "${BASH_SOURCE%/*}/../a.sh"', ["sourced <own>/../a.sh"]),
        ('H=$(cd "$(dirname "$0")" && pwd); . "$H/a.sh"', ["sourced <zero>/a.sh"]),
        ('H="$(dirname "$(readlink -f "$0")")"\n"$H"/a', ["program <zero>/a"]),
        (
            'H=$(cd -- "$(dirname -- "$0")/.." >/dev/null 2>&1; pwd -P); . $H/a',
            ["sourced <zero>/../a"],
        ),
        ("LIB=lib; export D=$LIB/d; . $LIB/a; $D/b", ["sourced lib/a", "program lib/d/b"]),
        ('cd "$(dirname "$0")"; ./a', ["program <zero>/./a"]),
        ('. "$PWD/a"; . "$(pwd)/b"', ["sourced a", "sourced b"]),
        ("for f in a b; do . ./$f.sh; done", ["sourced a.sh|b.sh"]),
        # folders
        ("cd sub && python x.py; ./y", ["script sub/x.py", "program sub/./y"]),
        ("(cd sub; ./a); ./b", ["program sub/./a", "program b"]),
        ("cd a; cd ../b; ./c", ["program a/../b/./c"]),
        ("cd sub || exit 1; ./a", ["program sub/./a"]),
        ("if x; then cd a; ./a; fi; ./c", ["program ?|a/./a", "program ?|a/./c"]),
        ("./a; for d in a b; do ./b; cd $d; done", ["program a", "program ?|b"]),
        ("case $x in a) cd a;; esac; ./c", ["program ?|a/./c"]),
        ("run() { ./c; }; cd a; run", ["program ?|c"]),
        ("run() { ./c; }; (cd a; run)", ["program ?|c"]),
        ("cd a; run() { ./c; }; run", ["program a/./c"]),
        ("trap ./c EXIT; cd a", ["program ?|c"]),
        ("move() { cd a; }; move; ./c", ["program ?|a/./c"]),
        ("for d in x y; do (cd a; ./c); ./d; done", ["program a/./c", "program d"]),
        ("test -d a && cd a && ./b; ./c", ["program a/./b", "program a/./c|c"]),
        ("x || cd a; ./c", ["program ?|a/./c"]),
        ("x | cd a; ./c", ["program ?|a/./c"]),
        ("cd /srv; ./c", ["program /srv/./c"]),
        # what is not known
        ('$TOOL x; ./$x; "$@"', ["program ?", "program ?", "program ?"]),
        (". $LIB/a.sh; sh $1; . ./*.sh", ["sourced ?", "script ?", "sourced ?"]),
        ("cd $X; ./a; sh b", ["program ?", "script ?"]),
        ("cd -; ./a", ["program ?"]),
        ("cd; ./a", ["program /~/./a"]),
        ("X=a; X=$Y; . $X/b", ["sourced ?"]),
        ("f() { X=b; }; X=a; f; . $X/b", ["sourced ?|a/b"]),
        ("if x; then X=b; fi; . ./$X", ["sourced ?|b"]),
        ("X=a; for i in 1 2; do . ./$X; X=b; done", ["sourced ?|a"]),
        ("X=a; (X=b); . ./$X", ["sourced ?|a"]),
        ("N=1; ((N++)); ./$N", ["program ?"]),
        ("N=1; let N=N+1; ./$N; M=1; printf -v M 2; ./$M", ["program ?", "program ?"]),
        ("echo $(($(./a) + 1)); ./z", ["program a", "program z"]),
        ("rows=$(($(wc -l < raw.csv) - 1)); ./z", ["program z"]),
        ("((x = (1 + 2) * $(./a) + `./b`)); ./z", ["program a", "program b", "program z"]),
        ("for ((i = 0; i < $(./n); i++)); do ./a; done", ["program n", "program a"]),
        ("x=$((1 + ${y:-$(./a)} + $((2 + $(./b))))); ./z", [f"program {x}" for x in "abz"]),
        ("f() { . ./$X; }; X=a; f; X=b; f", ["sourced ?"]),
        ("test $X && X=a; . ./$X", ["sourced ?|a"]),
        ("X=(./a ./b); $X; Y[1]=a; ./$Y", ["program ?", "program ?"]),
        (": ${X:=a}; ./$X; ${Y:-./a}; ${0%/*}/b", ["program ?", "program ?|a", "program <zero>/b"]),
        ('read X; . "$X"; ${PY:-python3} x.py', ["sourced ?", "script x.py"]),
        ("x | sh; eval $LINE; pytest tests", ["unclear sh", "unclear $LINE", "loaded by pytest"]),
        ("", []),
    ],
)
def test_what_a_line_executes(line: str, uses: list[str]) -> None:
    assert executed(read_shell(line)) == uses


@pytest.mark.parametrize(
    ("line", "notebooks"),
    [
        ("jupyter nbconvert --to notebook --execute r.ipynb", ["r.ipynb in ."]),
        ("jupyter nbconvert nb/r.ipynb --execute --to=html", ["nb/r.ipynb in nb"]),
        (
            "jupyter nbconvert --execute --to notebook --output-dir x --output o.ipynb a b.ipynb",
            ["a.ipynb in .", "b.ipynb in ."],
        ),
        ("jupyter-nbconvert --ExecutePreprocessor.timeout 60 --execute r", ["r.ipynb in ."]),
        ("jupyter nbconvert --ExecutePreprocessor.enabled=True r.ipynb", ["r.ipynb in ."]),
        ("python -m nbconvert --execute --to pdf r.ipynb", ["r.ipynb in ."]),
        ("python3 -um jupyter nbconvert --execute r.ipynb", ["r.ipynb in ."]),
        ("jupyter execute --timeout 60 --kernel_name k sub/r.ipynb", ["sub/r.ipynb in sub"]),
        ("cd sub; jupyter execute ../nb/r.ipynb", ["sub/../nb/r.ipynb in nb"]),
        ("jupyter run --kernel ir sub/r.ipynb", ["sub/r.ipynb in ."]),
        (
            "jupyter run < sub/x.py; papermill - o.ipynb < i.ipynb",
            ["sub/x.py in .", "i.ipynb in ."],
        ),
        (".venv/bin/jupyter execute r.ipynb", ["r.ipynb in ."]),
        ("timeout 60 env A=1 uv run --with x jupyter execute r.ipynb", ["r.ipynb in ."]),
        ("sh -c 'cd sub && jupyter execute r.ipynb'", ["sub/r.ipynb in sub"]),
        ("papermill -p a b.ipynb -k py --cwd x i.ipynb o.ipynb -r c d", ["i.ipynb in x"]),
        ("python -m papermill -y '{}' nb/i.ipynb o.ipynb", ["nb/i.ipynb in ."]),
        ("runipy x.ipynb y.ipynb", ["x.ipynb in ."]),
        ("jupyter execute $NB; jupyter nbconvert --execute '*.ipynb'", ["? in ?", "? in ?"]),
        ("papermill s3://b/in.ipynb out.ipynb", []),
        # what only converts reads a notebook; a server executes what somebody asks it to
        ("jupyter nbconvert --to script r.ipynb; jupyter lab r.ipynb; jupyter notebook", []),
    ],
)
def test_which_notebooks_a_line_executes_and_in_which_folder(
    line: str, notebooks: list[str]
) -> None:
    uses = [
        use for use in read_shell(line).uses if use.role not in ("module", "program", "command")
    ]
    assert {(use.role, use.language) for use in uses} <= {("script", "notebook")}
    found = []
    for use in uses:
        folders = (shown(path and posixpath.normpath(path)) for path in use.folders)
        found.append(f"{'|'.join(map(shown, use.paths))} in {'|'.join(folders)}")
    assert found == notebooks


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("t a; echo t; cat x | u -", "t u"),
        ("env A=1 t; uv run t; timeout 5 poetry run u; xargs -n1 v; exec w", "t u v w"),
        ("$(t) && `u`; T='v x'; $T; for n in w z; do $n; done", "t u v w z"),
        ("python x.py; sh y.sh; find . -exec t {} +", "t"),
        (".venv/bin/t; ./u; /opt/v/bin/w", ".venv/bin/t u /opt/v/bin/w"),
    ],
)
def test_names_of_programs_are_told_to_which_the_project_may_give_a_meaning(
    line: str, names: str
) -> None:
    uses = [use for use in read_shell(line).uses if use.role == "command"]
    told = {"".join(map(shown, use.paths)) or use.text for use in uses}
    assert told == set(names.split())
    assert {use.text for use in uses} == {name.rpartition("/")[2] for name in told}


@pytest.mark.parametrize(
    ("line", "uses"),
    [
        # an interpreter among the words of a program begins a command
        ("docker exec -i c python x.py y", "script x.py, given x.py"),
        (
            "screen -dm bash -x y.sh; with sh z.sh",
            "script y.sh, given y.sh, script z.sh, given z.sh",
        ),
        ("ssh h bash < x.sh", "script x.sh, given x.sh"),
        ("cat y.py | ssh h python3 -", "script y.py, given y.py"),
        ("./with.sh python x.py", "program with.sh, script x.py"),
        ("su me -c 'python y.py'; hyperfine 'sh z.sh a' b", "script y.py, script z.sh"),
        ("tmux new -d 'cd d && uv run python x.py'", "script d/x.py"),
        ("docker run node node x.js", "script node, script x.js, given x.js"),
        # but not after programs that execute nothing
        ("echo python x.py; grep python x.py; which sh x.sh; curl -d @x.py u; ruff check x.py", ""),
        ("git commit -m 'python x.py'; test -x x.sh; cp x.py y.py; wc -l x.sql", ""),
        ("mail -s './x.sh failed' me; notify 'see ./y.sh'", ""),
        ("t --shell bash < d.csv; cat d.csv | t --to python; t install make; t batch -f d.txt", ""),
        # files that it may execute
        ("snow sql -f q.sql; mlr put -f=x.mlr d.csv", "given q.sql, given x.mlr"),
        ("docker run -v $PWD/x.sh:/x.sh i; sqlplus me @q.sql", "given x.sh, given q.sql"),
        ('bsub < x.sh; cat q.sql | snow; t "$(cat r.sql)"', "given x.sh, given q.sql, given r.sql"),
        (
            "java A.java; R CMD BATCH x.R out; t a.csv b.json",
            "given A.java, script .Rprofile, given x.R",
        ),
        (
            "python x.py q.sql; ./x.sh q.sql; psql -f a.sql b.sql",
            "script x.py, program x.sh, script a.sql",
        ),
        # code that is found by rules of its own
        (
            "pytest tests; python -m unittest",
            "loaded by pytest, module unittest, loaded by unittest",
        ),
        ("dbt run; docker build .; docker run x", "loaded by dbt, loaded by docker"),
        ("go mod tidy; go run .", "loaded by go"),
    ],
)
def test_what_a_program_may_execute_of_which_nothing_is_known(line: str, uses: str) -> None:
    assert ", ".join(executed(read_shell(line))) == uses


@pytest.mark.parametrize(
    ("line", "uses"),
    [
        ("cat x.sh | sh; tail -n 2 y.py | python", "script x.sh, given y.py, unclear python"),
        (
            "sed s/a/b/ x.sh | sh; cat y.sh | tr a b | sh",
            "given x.sh, unclear sh, given y.sh, unclear sh",
        ),
        ("echo './a x' | sh; printf 'sh b.sh\\n' | bash", "program a, script b.sh"),
        (
            "./gen x.csv | sh; curl u | sh; awk 1 x.csv | sh",
            "program gen, unclear sh, unclear sh, unclear sh",
        ),
        (
            'eval "$(cat x.sh)"; eval "$(<y.sh)"',
            "sourced x.sh, unclear $(cat x.sh), sourced y.sh, unclear $(<y.sh)",
        ),
        (
            'eval "$(sed 1d z.sh)"; eval "$(ssh-agent -s)"',
            "given z.sh, unclear $(sed 1d z.sh), unclear $(ssh-agent -s)",
        ),
        (
            ". <(cat x.sh); bash <(sed 1d z.sh)",
            "sourced x.sh, unclear <(cat x.sh), given z.sh, unclear <(sed 1d z.sh)",
        ),
        (
            'sh -c "$(cat x.sh)"; . "$(dirname x.sh)/y"',
            "script x.sh, unclear $(cat x.sh), sourced y",
        ),
        ('python -c "$(cat x.py)"', "script x.py, unclear $(cat x.py)"),
    ],
)
def test_what_a_line_executes_that_programs_print(line: str, uses: str) -> None:
    assert ", ".join(executed(read_shell(line))) == uses


@pytest.mark.parametrize(
    ("line", "copies"),
    [
        ("cp x.sh y.sh; mv a b c/", "x.sh>y.sh x.sh>y.sh/x.sh a>c/ b>c/ a>c/a b>c/b"),
        ("sed s/a/b/ x.sql > y.sql; cat a > b; cat c | tee d", "x.sql>y.sql a>b c>d"),
        ("cd s && envsubst < t.sh | tr a b > u.sh", "s/t.sh>s/u.sh"),
        ("cc -o prog a.c; ln -s x.sh y.sh", "a.c>prog x.sh>y.sh x.sh>y.sh/x.sh"),
        ("sort a.csv > b.csv; echo x.sh > y; ls x.sh > y; python x.py > y", "x.py>y"),
    ],
)
def test_of_which_files_a_line_makes_others(line: str, copies: str) -> None:
    found = read_shell(line).copies
    told = {f"{shown(source)}>{shown(target)}" for target, source in found}
    assert told == set(copies.split())


@pytest.mark.parametrize(
    ("line", "uses"),
    [
        ("parallel 'sh x.sh {}; ./y' ::: a b", "script x.sh, program y"),
        ("parallel ::: ./a 'sh b.sh'", "program a, script b.sh"),
        ("cat c.txt | parallel -j2; parallel -a d.txt", "script c.txt, script d.txt"),
        ("watch 'sh x.sh'; watch -n 2 sh y.sh", "script x.sh, script y.sh"),
        ("torchrun --standalone --nproc-per-node 2 x.py y.py", "script x.py"),
        ("streamlit run --server.port 8 z.py; coverage run a", "script z.py, script a"),
        ("spark-submit --py-files a.py,b.zip m.py", "script a.py, script b.zip, script m.py"),
        (
            "alias r='sh x.sh'; at -f y.sh now; echo 'sh z.sh' | at now",
            "script x.sh, script y.sh, script z.sh",
        ),
        ("BASH_ENV=e.sh bash x.sh; LD_PRELOAD=./y.so t", "script e.sh, script x.sh, script y.so"),
        (
            "make -C sub -f x.mk all; R --no-save < x.R",
            "script sub/x.mk, script .Rprofile, script x.R",
        ),
        (
            "ruby -Ilib -r./p.rb x.rb; gawk -i l.awk -f x.awk",
            "script p.rb, script x.rb, script l.awk, script x.awk",
        ),
        ("pdm run x.py; uvx --from . t; yarn run t", "script x.py"),
        (
            "bash /dev/stdin < x.sh; . /dev/stdin < y.sh; cat z.py | python /dev/stdin",
            "script x.sh, script y.sh, script z.py",
        ),
        ("bash <&3; sh - < x.sh", "script ?, script x.sh"),
        (
            "sh -c '\"$0\" a' ./x.sh; sh -c '. \"$1\"' _ y.sh; sh -c '\"$0\"' $X",
            "program x.sh, sourced y.sh, program ?",
        ),
        ("find . -exec {} \\;", "program ?"),
        (
            "cat <<E | bash\nsh x.sh\nE\ncat <<E > y.sh; sh y.sh\n./z\nE",
            "script x.sh, script y.sh, program z",
        ),
        (
            "echo 'import m' > x.py; python x.py; echo ./a > b; ./b",
            "script x.py, code import m, program b, program a",
        ),
        (
            "bash --rcfile r.sh x.sh; make --directory=d -f m.mk; make -Cd -f m.mk",
            "script r.sh, script x.sh, script d/m.mk, script d/m.mk",
        ),
        (
            "python -m timeit -s 'import m' 'm.f()'",
            "module timeit, code -s, code import m, code m.f()",
        ),
        (
            "cat > x.sh <<E\ncd \\$DIR\nsh a.sh\nE\nsh x.sh; cat > y.sh <<'E'\nsh \\$1\nE\nsh y.sh",
            "script x.sh, script ?, script y.sh, script $1",
        ),
        (
            "echo 'sh a.sh' > x.sh; echo 'sh b.sh' >> x.sh; sh x.sh",
            "script x.sh, script a.sh, script b.sh",
        ),
        (
            "echo 'sh b' > a; echo 'sh a; ./c' > b; for f in a b; do sh $f; done",
            "script a|b, script b, script a, program c",
        ),
        ("echo 'select ./a' > q.sql; snow -f q.sql; echo ./b > c; snow c", "given q.sql"),
        ("sh $(cat l.txt); . $(ls x.sh)", "script ?, sourced ?"),
        (
            "git -c alias.x='!sh y.sh' x; git log; tar xf a --to-command=./x; tar -I ./z -cf a d",
            "script y.sh, program x, program z",
        ),
        (
            "NODE_OPTIONS='-r ./y.js --inspect' node x.js; RUBYOPT=-r./p.rb ruby x.rb",
            "script y.js, script x.js, script p.rb, script x.rb",
        ),
        (
            "NODE_OPTIONS=$X npm run a; NODE_OPTIONS=--inspect node x.js",
            "unclear NODE_OPTIONS, script x.js",
        ),
        ("node -r dotenv/config x.js; ruby -rjson x.rb", "script x.js, script x.rb"),
        ("npm start; npm run t; hatch run u", ""),
    ],
)
def test_more_programs_that_start_others(line: str, uses: str) -> None:
    assert ", ".join(executed(read_shell(line))) == uses


@pytest.mark.slow
def test_of_a_text_with_more_commands_than_anybody_writes_the_rest_is_told_as_not_known() -> None:
    uses = read_shell("./x\n" * COMMANDS_MAX + "./y\n").uses
    assert {use.role for use in uses} == {"command", "program", "unclear"}
    assert {path for use in uses for path in use.paths} == {f"{WORK}/./x"}


@pytest.mark.slow
def test_of_more_lines_within_lines_than_anybody_writes_it_is_not_known_what_they_execute() -> None:
    line = "eval " * 30_000 + "./x"
    told = {use.role for use in read_shell(f"eval ./y; {line}").uses}
    assert told == {"command", "program", "unclear"}
    assert "unclear" not in {use.role for use in read_shell(f"eval ./y; {line[-100:]}").uses}


def test_code_in_other_languages_is_told_if_it_may_load_a_file() -> None:
    line = "Rscript -e 'source(\"a.R\")' -e 'x <- 1'; sqlite3 a.db '.read x.sql' 'select 1'"
    uses = [use for use in read_shell(line).uses if use.role == "code"]
    told = [(use.language, use.text) for use in uses]
    line = "awk 'BEGIN{system(\"x\")}'; awk '{print $1}' d; perl -Ilib -MA::B -e 1"
    more = [use.text for use in read_shell(line).uses if use.role == "code"]
    assert more == ['BEGIN{system("x")}', "use A::B;"]
    assert told == [("r", 'source("a.R")'), ("sql", ".read x.sql")]


def test_of_jupyter_the_rest_is_left_open() -> None:
    line = "jupyter book build .; jupyter; cat x | papermill"
    left = ["loaded by jupyter", "loaded by jupyter", "unclear papermill"]
    assert executed(read_shell(line)) == left


def test_the_way_of_each_use_tells_where_it_starts() -> None:
    (use,) = read_shell("echo\n  (cd a; sh b.sh)").uses
    assert (use.line, use.column, use.folders) == (2, 13, {f"{WORK}/a"})


def test_pythonpath_is_told_with_the_use() -> None:
    for line in (
        "PYTHONPATH=src:/opt python -m a",
        "export PYTHONPATH=src; python -m a",
        'env PYTHONPATH="$PWD/src:$PYTHONPATH" python -m a',
        "PYTHONPATH=src${PYTHONPATH:+:$PYTHONPATH} python -m a",
    ):
        (use,) = read_shell(line).uses
        assert use.search - {"/opt"} == {f"{WORK}/src"}
    (use,) = read_shell("python -m a", {"PYTHONPATH": "src"}).uses
    assert use.search == {f"{WORK}/src"}


@pytest.mark.parametrize(
    ("line", "writes"),
    [
        ("x > a; y >> sub/b 2> c >| d &> e; z >&2 2>&1", "a sub/b c d e"),
        ("cd sub; x > a", "sub/a"),
        ("x | tee -a a b > c", "a b c"),
        ("cp x y; mv z bin/; cc -o prog x.c; curl -o a.sh url", "y y/x bin bin/z prog a.sh"),
        ("x > $Y < in", ""),
        ("papermill i.ipynb o.ipynb; runipy -o x.ipynb", "o.ipynb x.ipynb"),
        (
            "jupyter execute --inplace a; jupyter execute --output=d nb/c.ipynb",
            "a.ipynb nb/d.ipynb",
        ),
        ("jupyter nbconvert --to notebook --execute --output a x/a.ipynb", "x/a.ipynb"),
        (
            "jupyter nbconvert --execute --to notebook a.ipynb --output-dir o --output a",
            "o/a.ipynb",
        ),
        ("jupyter nbconvert --execute --to html a.ipynb --output a", ""),
        ("jupyter nbconvert --to script nb/a.ipynb x.ipynb", "nb/a.py x.py"),
        ("jupyter nbconvert --to python --output gen.py nb/a", "nb/gen.py"),
        ("jupyter nbconvert --clear-output --inplace a.ipynb $X", "a.ipynb"),
    ],
)
def test_what_a_line_writes(line: str, writes: str) -> None:
    found = map(posixpath.normpath, read_shell(line).writes)
    assert set(map(shown, found)) == set(writes.split())


def test_of_a_list_the_first_word_is_the_program() -> None:
    assert executed(read_words(("./a b.sh", ">", "x"))) == ["program a b.sh"]
    assert executed(read_words(("python", "a.py", "b.py"))) == ["script a.py"]
    assert executed(read_words(("sh", "-ec", "./a > out; ./b"))) == ["program a", "program b"]
    assert executed(read_words(("cd", "a"))) == executed(read_words((".", "a"))) == []
    assert executed(read_words((None, "a"))) == ["program ?"]


@pytest.mark.parametrize("line", ["echo 'x", 'echo "x', "x $(", "x `y", "a )", "x ${y", "x >"])
def test_a_line_that_no_shell_reads_is_left_open(line: str) -> None:
    found = read_shell(f"./a\n{line}").uses
    assert found[0].role == "program" and found[-1].role == "unclear"


@given(st.text(alphabet="ab ./'\"\\$`>&|;#\n()<-{}*=!", max_size=60))
def test_any_text_comes_to_an_end(line: str) -> None:
    read_shell(line)


@pytest.mark.slow
@pytest.mark.turns(3)
@pytest.mark.parametrize(
    "text",
    [
        "x" * 1_000_000,
        "$(" * 100_000,
        "(" * 100_000,
        "`" * 20_001,
        "${a:-" * 50_000,
        "x;" * 20_000,
        "for i in a; do " * 5_000,
        "x=a y=a; " + "for i in 1 2; do x=$x$i; cd ..; " * 30 + "done; " * 30,
        "a=b;" + "a=$a$a;" * 64,
        "cat <<E\n" * 20_000,
        "if x; then " * 4_000 + "fi;" * 4_000,
        "sh -c '" * 4_000,
        "a$((1",
        "env -C a " * 20_000,
        "xargs " * 20_000 + "sh",
        "find . -exec " * 20_000 + "sh {} ;",
        "A='a b'; " + "$A " * 20_000,
        f"PATH={'d:' * 5_000}; " + "t; " * 2_000,
        "t " + "python " * 100_000,
        "t " + "'sh x.sh a' " * 50_000,
        "sh | " * 50_000 + "sh",
        "cp " + "a.sh " * 20_000,
        "cat " + "a.sh " * 20_000 + "> b" * 1_000,
        't "$(cat a.sh)" ' * 20_000,
    ],
    ids=lambda text: text[:12],
)
def test_a_hostile_text_costs_little(text: str) -> None:
    read_shell(text)


# -- beside what a shell does

PIECES = (
    "{} a",
    "cd sub; {}; cd ..",
    "(cd sub && {})",
    "X={}; $X",
    "if true; then {}; else {}; fi",
    "for i in 1 2; do {}; done",
    "case a in a) {};; *) {};; esac",
    "f() {{ {}; }}; f",
    "echo $({})",
    "sh -c '{}'",
    "true && {} || {}",
    "cat <<E\n$({})\nE",
    ". {}",
    'H=$(cd "$(dirname "$0")" && pwd); $H/{}',
    "{{ {}; }} > out",
    "timeout 9 {}",
    "echo ./sub/b ./c > data # {}",
)
SCRIPTS = ("./a", "./sub/b", "./c", "./sub/d")


def made(dice: random.Random) -> str:
    lines = []
    for _ in range(dice.randrange(1, 5)):
        piece = dice.choice(PIECES)
        lines.append(piece.format(*[dice.choice(SCRIPTS) for _ in range(piece.count("{}"))]))
    return "\n".join(lines) + "\n"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(25))
def test_whatever_a_shell_executes_is_among_what_is_told(tmp_path: Path, seed: int) -> None:
    """Each script tells of itself when it is executed, be it started or sourced."""
    text = made(random.Random(seed))
    (tmp_path / "sub").mkdir()
    for script in SCRIPTS:
        for folder in ("", "sub/"):
            path = tmp_path / folder / script
            path.parent.mkdir(exist_ok=True, parents=True)
            path.write_text(f"echo {shlex.quote(str(path.resolve()))} >> {tmp_path}/seen\n")
            path.chmod(0o700)
    (tmp_path / "main.sh").write_text(text)
    subprocess.run(["sh", "./main.sh"], cwd=tmp_path, capture_output=True, timeout=20)
    seen = tmp_path / "seen"
    ran = set(seen.read_text().split()) if seen.exists() else set()
    code = read_shell(text)
    assert not any(use.is_unclear for use in code.uses)
    told = set()
    for use in code.uses:
        for path in filter(None, use.paths):
            for begin, place in ((WORK, "."), (ZERO, "main.sh"), (OWN, "main.sh")):
                path = path.replace(begin, place)
            told.add(str((tmp_path / path.replace("main.sh/..", ".")).resolve()))
    assert ran <= told, text
