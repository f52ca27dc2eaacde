# Python takes small objects out of arenas of its own, of which malloc sees nothing. Told
# not to, it asks malloc for each.
set -eu
PYTHONMALLOC=malloc /usr/bin/python3 -s -S -B "${0%/*}/objects.py" "$(cat "$INPUT/objects")"
