# A clone, its history, and the collection of garbage in it. How git packs is its own affair;
# what is in the repository afterwards is not.
set -eu
git clone -q "file://$INPUT/repository" clone
cd clone
git log -p --stat
git rev-list --all >../before
git repack -q -a -d --no-write-bitmap-index
git branch -q extra HEAD~3
git gc -q --prune=now
git fsck --full --strict 2>&1
git rev-list --all | diff ../before -
git rev-list --all --objects | git cat-file --batch-check='%(objectname) %(objecttype) %(objectsize)'
git diff --stat HEAD~8 HEAD
git blame -s "$(git ls-files | head -n 1)"
git status --short
