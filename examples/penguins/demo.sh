#!/bin/sh
# The story of one workflow: deploy it, run it, change it, see what changed and what came of it, run
# the old one again. Works on a copy in a fresh folder, and leaves nothing behind.
#
#     sh demo.sh             in a temporary folder that is removed at the end
#     sh demo.sh FOLDER      in a new folder that is kept, to look around in
#
# `ork` is taken from PATH, or is what ORK says.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
ork=${ORK:-ork}
unset ORK_DIR                  # the store is made in the copy, wherever else one may be
PAGER=cat
export PAGER

if [ $# -gt 0 ]; then
    mkdir -p "$1"
    cd "$1"
    if [ -n "$(ls -A)" ]; then
        echo "demo.sh: $1 is not empty" >&2
        exit 2
    fi
else
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 141' PIPE
    trap 'exit 143' TERM
    cd "$folder"
fi
cp -R "$here/penguins.yaml" "$here/data" "$here/tasks" .

say() {
    # A line of the story; then a moment to read it, when somebody is there to read.
    printf '\n# %s\n' "$1"
    if [ -t 1 ]; then sleep 1; fi
}

do_ork() {
    printf '$ ork'
    for word in "$@"; do
        case $word in
            *[!A-Za-z0-9_./:=~#-]*) printf " '%s'" "$word" ;;
            *) printf ' %s' "$word" ;;
        esac
    done
    printf '\n'
    "$ork" "$@"
    if [ -t 1 ]; then sleep 2; fi
}

say "Keep the first version: the workflow, its code and its data, under one hash."
do_ork deploy penguins.yaml -m "How large are they?"

say "Run it. What runs is recorded before the first task starts."
do_ork run penguins

say "What a task prints is kept as its log, what it answers as its output. This one is the report."
do_ork logs "penguins#1:report"

say "Work goes on: a longer timeout, a task renamed, a task added, an error in the code corrected."
cp -R "$here/v2/." .
echo "\$ cp -R v2/. ."

say "Does the file still say what is deployed?"
do_ork status

say "What changed? Tasks, fields, edges and lines of code."
do_ork diff penguins

say "Keep the second version as well, and run it."
do_ork deploy penguins.yaml -m "Sample deviation; growth with the flippers"
do_ork run penguins

say "The history of the definition, with what each deploy changed."
do_ork log penguins --stat

say "Any two points of the history can be compared; here in short."
do_ork diff penguins~1 penguins --name-status

say "All runs so far."
do_ork runs penguins

say "Why do the two runs differ? Not the data: one line of measures.py."
do_ork diff "penguins#1" "penguins#2"

say "The first run, task by task, as it was."
do_ork show "penguins#1"

say "Repeat the old version. Its code is no longer on the disk; it comes out of the store."
do_ork run penguins~1

say "The first run and its repetition: nothing differs."
do_ork diff "penguins#1" "penguins#3"

say "When it runs is a setting: a change of that is history, and no new snapshot."
sed -e 's/^  cron: .*/  every: 3s/' -e '/^  timezone: /d' penguins.yaml > changed.yaml
mv changed.yaml penguins.yaml
do_ork deploy penguins.yaml -m "Every three seconds, to see it at work"

say "ork up fires what is due, and serves a page of all this, until it is asked to end."
echo "\$ ork up"
"$ork" up > up.log 2>&1 &
up=$!
trap 'kill $up 2>/dev/null || true; rm -rf "${folder:-}"' EXIT
tries=0
until grep -q "penguins#[0-9]* success" up.log || [ $tries -ge 120 ]; do
    kill -0 $up 2>/dev/null || break
    sleep 0.5
    tries=$((tries + 1))
done
kill -TERM $up 2>/dev/null || true
ended=0
wait $up || ended=$?
cat up.log
rm up.log
[ $ended -eq 0 ] || exit $ended
do_ork runs penguins -n 3
