#!/bin/sh
# `make bench-peers`: ork beside other tools, each in an environment of its own below .venv-peers.
#
#     benchmarks/peers.sh [--write]
#
# An environment that is there is kept; remove .venv-peers for the newest versions. What cannot be
# installed within its time is left out, and its rows say so.

set -eu
cd "$(dirname "$0")"
python=../.venv/bin/python
seconds=900 # for installing all of them
end=$(($(date +%s) + seconds))

# install NAME [WHAT MORE IT NEEDS...]
install() {
    environment=.venv-peers/$1
    left=$((end - $(date +%s)))
    if [ -e "$environment/.ok" ]; then
        return
    elif [ "$left" -gt 0 ] && echo "installing $1" >&2 &&
        "$python" -m venv --clear --without-pip "$environment" &&
        timeout "$left" "$python" -m pip --python "$environment" install --quiet --quiet \
            --disable-pip-version-check "$@"; then
        touch "$environment/.ok"
    else
        echo "$1 cannot be installed here" >&2
        rm -rf "$environment"
    fi
}

install ninja
install doit
install redun
install dagster
install prefect 'fastapi<0.140' # prefect 3.8 does not start with a newer one
install snakemake
install luigi
install dask
install apache-airflow
unset PYTHONDONTWRITEBYTECODE
exec "$python" peers.py "$@"
