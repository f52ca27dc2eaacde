# Packing a tree, and what is in the archive when it is unpacked.
set -eu
archive=$PWD/archive.tar.gz
cd "$INPUT"
{ tar --sort=name -cf - tree || echo "tar: status $?"; } | gzip -n >"$archive"
cat "$archive"
{ gzip -dc "$archive" || echo "gzip: status $?"; } | tar -tvf -
tar -xzOf "$archive" | cksum
