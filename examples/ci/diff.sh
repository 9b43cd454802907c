#!/bin/sh
# What a branch changes in workflows, as Markdown: their definitions, and the code that they call.
#
#     sh diff.sh origin/main 'workflows/*.yaml'
#
# The first word is where the branch is to go; the others say which files are workflows, as for
# `git ls-files`. Nothing is printed where nothing differs, a graph or code that several workflows
# share once, and no more than a comment has room for. Needs git with the history up to where
# the branch began, and ork; no store, and nothing of the workflows is executed.
set -eu

here=$(git rev-parse --show-toplevel)
began=$(git merge-base "$1" HEAD)
shift
cd "$here"

work=$(mktemp -d)
trap 'git worktree remove --force "$work/old" 2>/dev/null || true; rm -rf "$work"' EXIT
git worktree add --quiet --detach "$work/old" "$began"

git -C "$work/old" ls-files -- "$@" >"$work/before"
git ls-files -- "$@" >"$work/after"

# Prints which file of a list has the workflow of this one, and is not in the other version: a file
# that was renamed.
moved() { # FILE LIST FOLDER-OF-LIST OTHER-FOLDER
    name=$(grep -m 1 '^name:' "$1") || return 0
    while IFS= read -r one; do
        if [ ! -e "$4/$one" ] && grep -Fqx -- "$name" "$3/$one"; then
            printf '%s\n' "$one"
            break
        fi
    done <"$2"
}

# Prints a page with what is wrong in a file; fails, with what was told before, if nothing is.
wrong() { # FILE
    if ork check "$1" >"$work/problems" 2>&1; then
        cat "$work/error" >&2
        exit 1
    fi
    printf '### `%s` is not valid\n\n' "$1"
    sed 's/^/    /' "$work/problems"
    printf '\n'
}

# Prints a page with the graph of a file.
drawn() { # FILE WHAT-IT-IS
    if ! ork graph "file:$1" --format mermaid >"$work/graph" 2>"$work/error"; then
        wrong "$1"
        return
    fi
    printf '### `%s` %s\n\n' "$1" "$2"
    printf '```mermaid\n%s\n```\n\n' "$(cat "$work/graph")"
}

# Prints pages, each of which begins with its title. What is in a fence and was there before is not
# repeated; of pages that are too much for one comment (65,536 characters) there are the titles.
once() {
    awk '
        function close_page() {
            sub(/\n+$/, "", page)
            if (page == "") return
            if (length(page) <= room) {
                room -= length(page) + 2
                print page "\n"
                for (one in fresh) shown[one] = fresh[one]
            } else if (length(title) < spare) {
                spare -= length(title) + 34
                print title "\n\n(there is no room to show more)\n"
            } else {
                left++
            }
            page = ""
            split("", fresh)
        }
        BEGIN { room = 58000; spare = 6000 }
        !fence && /^### / {
            close_page()
            title = $0
            name = substr($0, 5)
            sub(/: .*| is (new|valid now|not valid)$/, "", name)
        }
        !fence && /^```+(diff|mermaid)$/ {
            fence = block = $0
            gsub(/[^`]/, "", fence)
            next
        }
        fence {
            block = block "\n" $0
            if ($0 == fence) {
                key = (block ~ /^`+diff/ ? about : "") block
                if (key in shown) block = "(as above, of " shown[key] ")"
                else fresh[key] = name
                page = page block "\n"
                fence = ""
            }
            next
        }
        { page = page $0 "\n" }
        NF { about = $0 }
        END {
            close_page()
            if (left) print "and " left " more"
        }
    '
}

{
    while IFS= read -r file; do
        if [ ! -e "$file" ] && [ -z "$(moved "$work/old/$file" "$work/after" . "$work/old")" ]; then
            printf '### `%s` is gone\n\n' "$file"
        fi
    done <"$work/before"

    while IFS= read -r file; do
        old=$file
        if [ ! -e "$work/old/$file" ]; then
            old=$(moved "$file" "$work/before" "$work/old" .)
        fi
        if [ -z "$old" ]; then
            drawn "$file" 'is new'
            continue
        fi
        if [ "$old" != "$file" ]; then
            printf '### `%s` is `%s` now\n\n' "$old" "$file"
        fi
        code=0
        ork diff "file:$work/old/$old" "file:$file" --format markdown --exit-code \
            >"$work/page" 2>"$work/error" || code=$?
        case $code in
            0) ;;  # nothing differs
            1) sed "s|file:$work/old/|$(git rev-parse --short "$began"):|g" "$work/page" ;;
            *)
                if ork check "$work/old/$old" >/dev/null 2>&1; then
                    wrong "$file"
                else
                    drawn "$file" 'is valid now' # nothing can be compared with what was not
                fi
                ;;
        esac
    done <"$work/after"
} >"$work/pages"
once <"$work/pages"
