# Folders with many files and with few, and folders in folders: as they are and by size.
set -eu
cd "$INPUT"
ls -lR --time-style=full-iso many
ls -RSr many
