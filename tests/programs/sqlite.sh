# A database is built, changed, asked and written out as text.
set -eu
{ echo "create temp table size as select $(cat "$INPUT/rows") as n;"; cat "${0%/*}/build.sql"; } |
    sqlite3 -batch -bail -init /dev/null base.db
sqlite3 -batch -bail -init /dev/null base.db <"${0%/*}/queries.sql"
sqlite3 -batch -bail -init /dev/null base.db .dump
