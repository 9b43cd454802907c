#!/bin/sh
# The inputs arrive as JSON. For one plain text sed will do; jq or Python read anything.
text=$(printf '%s' "$ORK_INPUT_JSON" | sed 's/.*"text" *: *"\([^"]*\)".*/\1/')
loud=$(printf '%s' "$text" | tr '[:lower:]' '[:upper:]')
echo "$ORK_TASK_NAME, attempt $ORK_ATTEMPT: $loud"
echo "ORK_OUTPUT:{\"text\": \"$loud!\"}"
