# Python's own tests of dict, json and threading.
set -eu
/usr/bin/python3 -B "${0%/*}/own_tests.py" test.test_dict test.test_json test.test_threading
