#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# check-docs-test.sh CHECK RUN_PAGE: whether the two scripts find the faults of the project broken/ and of a page that
# prints something else than it says, and whether --update mends the blocks and nothing more.
set -euo pipefail
check=$(readlink -f "$1")
run_page=$(readlink -f "$2")
here=$(dirname "$(readlink -f "$0")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
  echo "$1" >&2
  exit 1
}

# refuse EXPECTED COMMAND...: the command fails with this output.
refuse() {
  local expected=$1
  shift
  ! "$@" > "$work/said" 2>&1 || fail "accepted: $*"
  diff -u "$expected" "$work/said" || fail "these are not the problems of: $*"
}

refuse "$here/broken.expected" "$check" "$here/broken"

cp -r "$here/broken" "$work/mended"
"$check" --update "$work/mended" > /dev/null 2>&1 && fail "--update accepted what it cannot mend"
grep -v -e ' is not the text of ' -e '^    ' -e '--update' -e 'problem(s)' "$here/broken.expected" > "$work/left"
echo '10 problem(s)' >> "$work/left"
refuse "$work/left" "$check" "$work/mended"
grep -qx '  return 0;' "$work/mended/README.md" || fail "--update did not write the text of code.cpp"

page=$work/page.md
printf '%s\n' '<!-- file: a.txt -->' '```' 'one' '```' '<!-- run -->' '```sh' 'cat a.txt' '```' \
  '<!-- prints -->' '```' 'one' '```' > "$page"
"$run_page" "$page" "$work" 2> /dev/null || fail "run-page.sh refused a page that is right"
sed -i '11s/one/two/' "$page"
! "$run_page" "$page" "$work" 2> /dev/null || fail "run-page.sh accepted a page that prints something else"
sed -i '9,$d; 7s/.*/false/' "$page"
! "$run_page" "$page" "$work" 2> /dev/null || fail "run-page.sh accepted commands that fail"
