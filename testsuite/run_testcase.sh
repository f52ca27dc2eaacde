#!/bin/sh
# Run one executable on one trace and say whether it passed:
#
#     run_testcase.sh ./kma_bud testsuite/1.trace
#
# Exit status: 0 passed, 1 failed, 2 wrong usage. The run takes place in a scratch
# folder, because the executable may write files where it stands; the folder goes
# away with them.

lines_shown=10

die() {
    printf 'run_testcase.sh: %s\n' "$1" >&2
    exit 2
}

# With CDPATH set, cd could go elsewhere and print where.
unset CDPATH

absolute() {
    folder=$(cd -- "$(dirname -- "$1")" && pwd) && printf '%s/%s\n' "$folder" "${1##*/}"
}

[ $# -eq 2 ] || die 'usage: run_testcase.sh executable trace'
if [ ! -f "$1" ] || [ ! -x "$1" ]; then
    die "$1: not an executable file"
fi
if [ ! -f "$2" ] || [ ! -r "$2" ]; then
    die "$2: not a readable file"
fi
executable=$(absolute "$1") || die "$1: its folder cannot be entered"
trace=$(absolute "$2") || die "$2: its folder cannot be entered"

scratch=$(mktemp -d 2>/dev/null) || die 'cannot make a scratch folder'
trap 'rm -rf "$scratch"' EXIT
trap 'exit 2' HUP INT TERM
mkdir "$scratch/run" || die 'cannot make a scratch folder'

# Outside the run itself, standard error is only the shell's remark on a signal.
{
    (cd "$scratch/run" && exec "$executable" "$trace") \
        </dev/null >"$scratch/output" 2>&1
    status=$?
} 2>/dev/null

if [ "$status" -eq 0 ]; then
    printf 'Trace %s: PASSED\n' "${trace##*/}"
    exit 0
fi
printf 'Trace %s: failed\n' "${trace##*/}"
tail -n "$lines_shown" "$scratch/output" | LC_ALL=C awk '{ print "    " $0 }'
if [ "$status" -gt 128 ]; then
    printf '    (killed by signal %d)\n' $((status - 128))
else
    printf '    (exit status %d)\n' "$status"
fi
exit 1
