# As text, by a number in the second field, and each line once; in memory and in pieces.
set -eu
cd "$INPUT"
sort lines
sort -k2,2n -k1,1 -s lines
sort -u -S 1M -T "$OLDPWD" lines
