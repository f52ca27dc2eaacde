# Regular expressions, words and a list of words, over many files.
set -eu
cd "$INPUT"
grep -rnE '(m|c|re)alloc[a-z_]* *\(|free_?[a-z]*\(' tree
grep -rniw 'page[s]*' tree
grep -rcwFf words tree
grep -rlE '^([a-z]+)_\1' tree || true
