# Words counted and sorted by several threads: see threads.c.
set -eu
"$TOOLS/threads" "$INPUT/text" 4 "$(cat "$INPUT/times")"
