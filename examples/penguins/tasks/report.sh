#!/bin/sh
# Write the report with nothing but sh and awk. The inputs arrive as JSON; ours hold flat objects
# with plain texts, so a line for each object and a search for its fields is all the parsing needed.
set -eu

report=$(printf '%s' "$ORK_INPUT_JSON" | tr '{}' '\n\n' | awk '
    function field(name,    rest) {
        if (!match($0, "\"" name "\" *: *")) return ""
        rest = substr($0, RSTART + RLENGTH)
        if (rest ~ /^"/) { rest = substr(rest, 2); sub(/".*/, "", rest) } else sub(/[],].*/, "", rest)
        return rest
    }
    /"dropped"/ { dropped = field("dropped") }
    /"islands" *:/ { title = "By island and sex" }
    /"species" *:/ { title = "By species" }
    /"group"/ {
        if (title != "") { text = text "\n" title "\n"; title = "" }
        text = text sprintf("  %-20s %4d birds %8.1f g  +- %6.1f\n", \
            field("group"), field("count"), field("mass_g"), field("spread_g"))
    }
    END { print "Body mass of the Palmer penguins\n" text "\nleft out: " dropped " incomplete rows" }
')

printf '%s\n' "$report"
# The answer, as JSON: each line end of the report becomes \n. (A last line ORK_OUTPUT:{...} would
# do as well, but then the log would have everything twice.)
printf '%s\n' "$report" |
    awk '{ text = text $0 "\\n" } END { printf "{\"text\":\"%s\",\"lines\":%d}\n", text, NR }' \
    > "$ORK_OUTPUT_FILE"
