"""Programs that execute what their arguments name: interpreters, and those that start another."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple


class Interpreter(NamedTuple):
    """How one interpreter is told what to execute.

    Of its options, those in `files` take a script, those in `code` a text, those in `words`
    something else; letters in `glued` take what follows in the same word.
    """

    language: str
    files: str = ""
    code: str = ""
    words: str = ""
    glued: str = ""
    module: str = ""
    lists: str = ""  # its options that take files of code, between commas or colons
    search: str = ""  # its options that take a folder where modules are searched
    variable: str = ""  # the variable that has more of them
    folder: str = ""  # its options that name the folder where it starts
    positional: bool = True  # the first argument that is no option is the script
    defaults: tuple[str, ...] = ()  # the scripts that it takes when none is named
    after: str = ""  # arguments one of which may come first, as `run` in `deno run`
    text: bool = False  # the first argument that is no option is code, unless an option has some
    ends: str = ""  # how its scripts end: where one does, words before it belong to options
    reads: int = -1  # what it reads is a script, unless it has more words than these or a text


class Prefix(NamedTuple):
    """How a program that starts another one takes it: after options, and `skipped` arguments."""

    words: str = ""  # its options that take a word
    skipped: int = 0
    after: str = ""  # the argument that must come first, as `run` in `uv run`; `run?`: may come
    folder: str = ""  # those of its options that name the folder where the other one starts
    scripts: bool = False  # it executes a script of Python as well, and with -m a module


class Kernel(NamedTuple):
    """How a program is told which notebooks a kernel is to execute, and in which folder.

    Of its options, those in `words` take a word, those in `pairs` take two.
    """

    words: str = ""
    pairs: str = ""
    asked: str = ""  # without one of these options it executes nothing
    inplace: str = "--inplace"  # the options by which it writes what it reads
    many: bool = True  # all arguments are notebooks; else the second is what it writes
    beside: bool = True  # the code starts in the folder of the notebook, not in that of the program


_SHELL = Interpreter("shell", "--rcfile --init-file", "-c", words="-o +o -O +O")
_PYTHON = Interpreter("python", code="-c", words="-W -X --check-hash-based-pycs", module="-m")
_RUNNER = Interpreter("python", module="-m", after="run", ends=".py")
_SPARK = (
    "--master --deploy-mode --class --name --packages --exclude-packages --repositories"
    " --files --archives --conf -c --properties-file --driver-memory --queue"
    " --driver-java-options --driver-library-path --driver-class-path --executor-memory"
    " --proxy-user --driver-cores --total-executor-cores --executor-cores --num-executors"
    " --principal --keytab"
)
_SLURM = (
    "-p -t -J -n -N -c -o -e -A -d -G -w -x --partition --time --job-name --ntasks --nodes"
    " --cpus-per-task --output --error --account --dependency --gres --gpus --mem --mem-per-cpu"
    " --array -a --qos -q"
)
_MPI = Prefix(
    "-n -np -c -N -H -x --np --host -host --hostfile -hostfile --machinefile -machinefile --map-by"
)
_VAULT = "--env-file --duration -d -p -c --project --config --account"
_CONTAINER = Prefix("-B --bind --env -H --home --pwd", skipped=1, after="exec", folder="--pwd")
_AWK = Interpreter(
    "awk",
    files="-f --file -E --exec -i --include",
    code="-e --source",
    words="-v -F -l",
    positional=False,
    text=True,
)
_JS = Interpreter(
    "js", files="-r --require --import --loader", code="-e -p --eval --print", after="run task"
)
_MAKE = Interpreter(
    "make",
    files="-f --file --makefile",
    words="-I -j -l -o -W",
    folder="-C --directory",
    positional=False,
    defaults=("GNUmakefile", "makefile", "Makefile"),
)
INTERPRETERS: dict[str, Interpreter] = {
    **dict.fromkeys(("sh", "bash", "dash", "zsh", "ksh", "ash"), _SHELL),
    **dict.fromkeys(("awk", "gawk", "mawk", "nawk"), _AWK),
    **dict.fromkeys(("make", "gmake"), _MAKE),
    "just": Interpreter(
        "just",
        files="-f --justfile",
        words="--set --shell --dotenv-path",
        folder="-d --working-directory",
        positional=False,
        defaults=("justfile", "Justfile", ".justfile"),
    ),
    **dict.fromkeys(("node", "nodejs", "tsx", "ts-node", "bun", "deno"), _JS),
    **dict.fromkeys(("python", "pypy", "ipython", "bpython", "micropython"), _PYTHON),
    **dict.fromkeys(
        ("torchrun", "streamlit", "coverage", "memray", "marimo", "deepspeed", "fastapi"), _RUNNER
    ),
    **dict.fromkeys(("kernprof", "scalene", "viztracer", "pyinstrument"), _RUNNER),
    "accelerate": _RUNNER._replace(after="launch"),
    "panel": _RUNNER._replace(after="serve"),
    "spark-submit": _RUNNER._replace(words=_SPARK, lists="--py-files --jars"),
    "sbatch": Interpreter("shell", words=_SLURM),
    "script": Interpreter("shell", code="-c --command", positional=False),
    **dict.fromkeys(("at", "batch"), Interpreter("shell", "-f", positional=False, reads=9)),
    **dict.fromkeys(("fish", "tcsh", "csh", "nu", "expect"), Interpreter("other", "-f", "-c")),
    **dict.fromkeys(
        ("pwsh", "powershell"), Interpreter("other", "-File -f", "-Command -c", "-ExecutionPolicy")
    ),
    "Rscript": Interpreter("r", code="-e"),
    "R": Interpreter("r", files="-f --file", code="-e", positional=False, reads=0),
    "ruby": Interpreter(
        "ruby", "-r", "-e", glued="i0F", search="-I", variable="RUBYLIB", folder="-C"
    ),
    "perl": Interpreter("perl", code="-e -E", glued="iMm0FlDCx", search="-I", variable="PERL5LIB"),
    "php": Interpreter("php", files="-f --file", code="-r", words="-d -c"),
    "lua": Interpreter("lua", code="-e", words="-l"),
    "luajit": Interpreter("lua", code="-e", words="-l"),
    "julia": Interpreter(
        "julia", variable="JULIA_LOAD_PATH", code="-e -E --eval", words="-p -t -L -J --threads"
    ),
    "sed": Interpreter("closed", files="-f --file", code="-e", words="-l", positional=False),
    **dict.fromkeys(
        ("jq", "gojq", "jaq"), Interpreter("closed", files="-f --from-file", positional=False)
    ),
    "psql": Interpreter(
        "sql",
        files="-f --file",
        code="-c --command",
        words="-d -h -p -U -v -o -L -F -P -R --dbname --host --port --username --set --output",
        positional=False,
        reads=2,
    ),
    **dict.fromkeys(
        ("mysql", "mariadb"),
        Interpreter(
            "sql",
            code="-e --execute",
            words="-u -h -P -D -S --user --host --port --database --socket",
            positional=False,
            reads=1,
        ),
    ),
    "sqlite3": Interpreter(
        "sql",
        files="-init",
        code="-cmd",
        words="-separator -newline -nullvalue",
        positional=False,
        reads=1,
    ),
    "duckdb": Interpreter(
        "sql",
        files="-init -f",
        code="-c -s -cmd",
        words="-separator -newline -nullvalue",
        positional=False,
        reads=1,
    ),
    "clickhouse-client": Interpreter(
        "sql",
        files="--queries-file",
        code="-q --query",
        words="-h --host -u --user --password -d --database --port --format",
        positional=False,
        reads=0,
    ),
    "bq": Interpreter("sql", words="--project_id --format", positional=False, reads=1),
    "snowsql": Interpreter("sql", "-f --filename", "-q --query", "-c -a -u", positional=False),
    "sqlcmd": Interpreter("sql", "-i", "-q -Q", "-S -d -U -P -o -v", positional=False),
    **dict.fromkeys(
        ("trino", "presto", "beeline", "hive", "cypher-shell"),
        Interpreter("sql", "-f --file", "-e --execute", "-u -n -p -d", positional=False),
    ),
    "java": Interpreter(
        "other", files="-jar", lists="-cp -classpath --class-path", positional=False
    ),
    "octave": Interpreter("other", code="--eval"),
    "gnuplot": Interpreter("gnuplot", code="-e"),
    "tclsh": Interpreter("tcl"),
}
# Languages of whose scripts it is understood what they load; of those in WHOLE that is all.
_LANGUAGES = "awk gnuplot js julia just lua make perl php r ruby sql tcl"
LANGUAGES = frozenset(_LANGUAGES.split())
WHOLE = frozenset(("awk", "gnuplot", "just", "make", "sql"))
_ANYWHERE = frozenset(("closed", "make", "sql"))  # whose programs take options after all words
# What is executed before all else of a language, where it lies in the working directory.
PROFILES = {"r": (".Rprofile",)}
_JS_ENDS = ("js", "mjs", "cjs", "ts", "tsx", "json")
NODE_ENDS = tuple(f"{index}.{end}" for index in ("", "/index") for end in _JS_ENDS)
_PLAIN = Prefix()
PREFIXES: dict[str, Prefix] = {
    **dict.fromkeys(
        ("nohup", "setsid", "builtin", "time", "unbuffer", "doas", "catchsegv"), _PLAIN
    ),
    **dict.fromkeys(
        ("chronic", "fakeroot", "tini", "dumb-init", "torsocks", "proxychains", "proxychains4"),
        _PLAIN,
    ),
    **dict.fromkeys(("firejail", "valgrind", "rlwrap", "systemd-inhibit", "coproc"), _PLAIN),
    **dict.fromkeys(("prlimit", "unshare", "busybox", "toybox", "ltrace", "retry"), _PLAIN),
    **dict.fromkeys(("gosu", "su-exec", "faketime", "chrt", "taskset", "envdir"), Prefix("", 1)),
    "xvfb-run": Prefix("-e -f -n -p -s -w --server-args --server-num"),
    "caffeinate": Prefix("-t -w"),
    "watch": Prefix("-n --interval"),
    "systemd-run": Prefix("-p -u -E --property --unit"),
    "numactl": Prefix("-N -m -C -i -p"),
    "cpulimit": Prefix("-l -c"),
    "setpriv": Prefix("--reuid --regid --groups"),
    "perf": Prefix("-e -r -o", after="stat"),
    "py-spy": Prefix("-o -d -r -f --output --duration --rate --format", after="record"),
    **dict.fromkeys(("mpirun", "mpiexec", "orterun"), _MPI),
    "srun": Prefix(_SLURM),
    **dict.fromkeys(("op", "doppler"), Prefix(_VAULT, after="run")),
    **dict.fromkeys(("aws-vault", "chamber"), Prefix(_VAULT, skipped=1, after="exec")),
    "dotenv": Prefix("-f --file", after="run"),
    "direnv": Prefix(skipped=1, after="exec"),
    **dict.fromkeys(("pyenv", "bundle", "rbenv"), Prefix(after="exec")),
    **dict.fromkeys(("singularity", "apptainer"), _CONTAINER),
    "env": Prefix("-u -C --unset --chdir", folder="-C --chdir"),
    "exec": Prefix("-a"),
    "command": _PLAIN,
    "nice": Prefix("-n --adjustment"),
    "ionice": Prefix("-c -n -p"),
    "stdbuf": Prefix("-i -o -e"),
    "timeout": Prefix("-s -k --signal --kill-after", skipped=1),
    "flock": Prefix("-w -E --timeout", skipped=1),
    "xargs": Prefix("-n -P -I -L -s -d -a -E --max-args --max-procs --replace --delimiter"),
    "parallel": Prefix("-j -n -N --jobs --joblog -a --arg-file"),
    "sudo": Prefix("-u -g -C -h -p -r -t -D", folder="-D --chdir"),
    "strace": Prefix("-o -e -p -s"),
    "uv": Prefix(
        "--with --with-requirements --with-editable --python -p --env-file --extra --no-extra"
        " --group --no-group --only-group --package --project --config-file --cache-dir --index"
        " --default-index --index-url -i --extra-index-url --find-links -f --directory",
        after="run",
        folder="--directory",
        scripts=True,
    ),
    "pipx": Prefix("--spec --python", after="run", scripts=True),
    "rye": Prefix(after="run", scripts=True),
    "poetry": Prefix("-C --directory", after="run", folder="-C --directory"),
    "pipenv": Prefix(after="run"),
    "pdm": Prefix("-p --project", after="run", folder="-p --project", scripts=True),
    "uvx": Prefix("--from --with --python -p"),
    "pixi": Prefix("-e --environment", after="run"),
    "hatch": Prefix("-e --env", after="run"),
    **dict.fromkeys(
        ("conda", "mamba"), Prefix("-n -p --name --prefix --cwd", after="run", folder="--cwd")
    ),
    "micromamba": Prefix("-n -p --name --prefix", after="run"),
    "npx": Prefix("-p --package"),
    **dict.fromkeys(
        ("npm", "pnpm"), Prefix("--prefix -w", after="run?", folder="--prefix -C --dir")
    ),
    "yarn": Prefix("--cwd", after="run?", folder="--cwd"),
    "poe": Prefix("-C", folder="-C"),
}
_CONVERT = Kernel(
    words="--to --output --output-dir --template --template-file --theme --config --log-level"
    " --writer --post --reveal-prefix --nbformat --sanitize_html",
    asked="--execute --ExecutePreprocessor.enabled",
    inplace="--inplace --clear-output",
)
# Programs, and modules, that execute notebooks; `jupyter run` is jupyter-run.
KERNELS: dict[str, Kernel] = {
    "nbconvert": _CONVERT,
    "jupyter-nbconvert": _CONVERT,
    "jupyter-execute": Kernel(
        words="--output --timeout --startup_timeout --kernel_name --config --log-level"
    ),
    "jupyter-run": Kernel(
        words="--kernel --config --log-level --ip --transport --ssh --sshkey -f", beside=False
    ),
    "papermill": Kernel(
        words="-f --parameters_file -y --parameters_yaml -b --parameters_base64 -k --kernel -l"
        " --language --cwd --engine --autosave-cell-every --stdout-file --stderr-file --log-level"
        " --start-timeout --start_timeout --execution-timeout",
        pairs="-p --parameters -r --parameters_raw",
        inplace="",
        many=False,
        beside=False,
    ),
    "runipy": Kernel(words="--html --template", inplace="-o --overwrite", many=False, beside=False),
}
# Names that begin a command wherever they stand among words; others may be words for anything.
_COMMON = frozenset(("js", "julia", "perl", "php", "python", "r", "ruby", "shell", "sql"))
STARTING = {name for name, spec in INTERPRETERS.items() if spec.language in _COMMON}
STARTING = (STARTING | KERNELS.keys() | {"env", "poetry", "uv"}) - {"R", "at", "batch", "script"}
# What starts a server, which executes what somebody asks it to.
SERVERS = frozenset(("jupyter-lab", "jupyter-notebook", "jupyter-server"))
# Modules that execute the script which comes after them: `python -m pdb train.py`.
_RUNNERS = "pdb cProfile profile trace coverage torch.distributed.run torch.distributed.launch"
_RUNNERS += " memory_profiler line_profiler IPython pyinstrument memray"
RUNNERS = frozenset(f"{_RUNNERS} scalene kernprof viztracer debugpy runpy".split(" "))
# Programs, and modules, that load code of a project by rules of their own; some only if their first
# word is one of these.
_LOADERS = "airflow alembic ansible-playbook ant arq behave bazel bokeh buck celery ctest dagster"
_LOADERS += " daphne dbt django-admin doctest doit dramatiq dvc fab flask gradle granian gunicorn"
_LOADERS += " hypercorn inv invoke jupyter kedro lein locust luigi meson meltano mlflow mvn"
_LOADERS += " flyway gradlew great_expectations gx liquibase matlab mvnw sqitch"
_LOADERS += " nextflow ninja nox pants prefect pulumi pytest rake robot run-parts sbt scons scrapy"
_LOADERS += " serverless snakemake sqlmesh terraform tofu tox unittest uvicorn waf waitress-serve"
_BUILT = frozenset(["build", "buildx", "compose", "stack"])
_MADE = frozenset(["run", "build", "test", "script"])
LOADERS: dict[str, frozenset[str]] = {
    **dict.fromkeys(_LOADERS.split(), frozenset()),
    **dict.fromkeys(("docker", "podman"), _BUILT),
    "kubectl": frozenset(["apply", "replace"]),
    **dict.fromkeys(("go", "cargo", "dotnet", "swift", "mix"), _MADE),
    **dict.fromkeys(("task", "docker-compose", "podman-compose", "zipapp"), frozenset()),
}
# Programs that execute nothing of what they are given.
_PASSIVE = "[ : break continue curl exit return set shift shopt ulimit umask wget"
_PASSIVE += " b2sum base64 basename cat chgrp chmod chown cksum cmp column comm cp csplit cut"
_PASSIVE += " date dd df diff dirname dos2unix du echo egrep expand expr factor false fgrep file"
_PASSIVE += " fmt fold free git grep gunzip gzip head hostname id install join less ln ls md5sum"
_PASSIVE += " mkdir mkfifo mktemp more mv nl nproc numfmt od paste patch pkill kill printf ps pwd"
_PASSIVE += " realpath readlink rev rg rm rmdir seq sha1sum sha256sum shred shuf sleep sort split"
_PASSIVE += (
    " stat sum sync tac tail tar tee test touch tr true truncate tsort type uname uniq unzip"
)
_PASSIVE += " wait wc which xz yes zcat zip zstd"
# And those that read code without executing any.
_PASSIVE += " black eslint flake8 isort mypy nbstripout prettier pylint pyright ruff shellcheck"
_PASSIVE += " shfmt sqlfluff yamllint"
PASSIVE = frozenset(_PASSIVE.split())
# How the names of files end that are code as a rule; it may be worth a warning, and no more.
_ENDS = "R Rmd awk bash bc c cc cpp do exp f90 fish go gp groovy hql ipynb jar java jl js kt lua m"
_ENDS += (
    " mjs cjs mlr nf php pig pl pm ps1 py pyx pyz qmd r rb rs sas sc scala sh smk sql tcl ts zsh"
)
_ENDS += " erb j2 jinja jinja2 m4 mustache template tmpl tpl"
ENDS = frozenset(_ENDS.split())


def is_named_as_code(path: str | None) -> bool:
    """Say whether a file is named as code is."""
    before, dot, end = (path or "").rpartition(".")
    return dot != "" and end in ENDS and " " not in before


_VERSION = re.compile(r"(?<=[a-zA-Z])-?\d+(?:\.\d+)*$")


def interpreter_named(path: str) -> Interpreter | None:
    """Return the interpreter that a program is, by its name: /usr/bin/python3.12, bash, gawk."""
    name = path.rpartition("/")[2]
    found = INTERPRETERS.get(name)
    return (
        INTERPRETERS.get(_VERSION.sub("", name)) if found is None and name[-1:].isdigit() else found
    )


def language_of(data: bytes) -> str:
    """Return the language of a program, as its first line tells; "other" for a compiled one."""
    if not data.startswith(b"#!"):
        # What the system refuses to execute, a shell reads.
        return "other" if b"\0" in data[:8192] else "shell"
    words = data[2:512].partition(b"\n")[0].decode("utf-8", "replace").split()
    if words and words[0].endswith("/env"):
        words = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
        if words and words[0] in PREFIXES and PREFIXES[words[0]].scripts:
            return "python"  # `#!/usr/bin/env -S uv run --script`
    found = interpreter_named(words[0]) if words else None
    return found.language if found else "other"


INPUTS = ("-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")  # names of standard input


class Argument(NamedTuple):
    """What an argument is to an interpreter: the number of its word, and its part of that."""

    what: str  # file | code | module | script | search | list
    word: int
    start: int = 0  # where in this word it begins: after the letters of options


def arguments(spec: Interpreter, words: Sequence[str | None]) -> Iterator[Argument]:
    """Yield what an interpreter executes, of its words; the first is its name.

    A word that is None could be anything but an option. What comes after the script is its own.
    """
    options = _options(spec)
    at, line, skipped, is_told = 1, False, False, False
    has_script = any(spec.ends and word and word.endswith(spec.ends) for word in words)
    while at < len(words):
        word = words[at]
        if word is not None and word != "-" and word[:1] in ("-", "+") and word != "--":
            name, equals, _ = word.partition("=")
            found = options.get(name if equals and word.startswith("--") else word)
            start = len(name) + 1 if equals and word.startswith("--") else 0
            if found is None and not word.startswith("--"):
                for n, letter in enumerate(word[1:], 1):
                    found = options.get(word[0] + letter)
                    if found is not None or letter in spec.glued:
                        start = n + 1 if n + 1 < len(word) else 0
                        break
                if found == "code" and spec.language == "shell":
                    start = 0  # the letters after it are options as well
            if found == "code" and spec.language == "shell":
                line = True  # that comes after all options
            elif found is not None:
                index = at if start else at + 1
                if found and index < len(words):
                    is_told = is_told or found in ("file", "code")
                    yield Argument(found, index, start)
                if found in ("code", "module") and spec.positional:
                    return
                at = index
        elif word and word in spec.after.split() and not skipped:
            skipped = True
        elif word == "--" or not (
            spec.language in _ANYWHERE or (has_script and word and not word.endswith(spec.ends))
        ):
            at += word == "--"
            break
        at += 1
    if at < len(words) and words[at] not in INPUTS:
        if line or (spec.text and not is_told):
            yield Argument("code", at)
        elif spec.positional:
            yield Argument("script", at)


@cache
def _options(spec: Interpreter) -> dict[str, str]:
    """Return the options of an interpreter that take something, each with what that is to it."""
    taken = {
        f"{spec.words} {spec.folder}": "",
        spec.search: "search",
        spec.lists: "list",
        spec.files: "file",
        spec.code: "code",
        spec.module: "module",
    }
    return {option: what for options, what in taken.items() for option in options.split()}


def reads_script(spec: Interpreter, words: Sequence[str | None]) -> bool:
    """Say whether what an interpreter reads is its script, if no word of it is one."""
    options = Kernel(words=f"{spec.words} {spec.folder} {spec.files} {spec.code}")
    return spec.positional or len(kernel_arguments(options, words)[0]) <= spec.reads


def kernel_arguments(
    spec: Kernel, words: Sequence[str | None]
) -> tuple[list[int], dict[str, Argument]]:
    """Return the words that are no options, by number, and the options with what they are given.

    The first word is the name of the program. A word that is None could be anything but an option.
    """
    taken = dict.fromkeys(spec.words.split(), 1) | dict.fromkeys(spec.pairs.split(), 2)
    plain: list[int] = []
    options: dict[str, Argument] = {}
    at = 1
    while at < len(words):
        word = words[at]
        if word == "--":
            return [*plain, *range(at + 1, len(words))], options
        if word is None or word == "-" or not word.startswith("-"):
            plain.append(at)
        else:
            name, equals, _ = word.partition("=")
            start = len(name) + 1 if equals else 0
            # Any setting may be given as an option, by the class that has it.
            at += 0 if equals else taken.get(name, int("." in name))
            options[name] = Argument("option", at, start)
        at += 1
    return plain, options
