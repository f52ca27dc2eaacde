# The driver of kma is compiled and linked; objects and executable are the output.
set -eu
folder=$PWD
cd "$INPUT/source"
while read -r file; do
    name=$(basename "$file" .c)
    gcc -std=c11 -D_GNU_SOURCE -I. -Wall -Wextra -O"$(cat "$INPUT/level")" -DKMA_BUD \
        -DKMA_VERSION='"1"' -c "$file" -o "$folder/$name.o"
done <"$INPUT/sources"
cd "$folder"
if [ -e kma.o ]; then
    gcc ./*.o -o kma_bud
    ./kma_bud --competition "$INPUT/source/1.trace" | grep PASS
fi
cat ./*
