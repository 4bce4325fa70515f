#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run-page.sh PAGE FEWSTEP [COMPILER]
#
# Does what a reader of PAGE does: begins with an empty folder that has a checkout of fewstep in it (the folder FEWSTEP)
# and takes the fences of the page in their order. A marker in the line before says what a fence is:
#   <!-- file: NAME -->    write it to NAME
#   <!-- run -->           run it, as shell commands
#   <!-- prints -->        the last commands printed exactly this
# Other fences are only to be read. Where the page says g++, COMPILER is called; CMake takes it too.
set -euo pipefail

page=$(readlink -f "$1")
fewstep=$(readlink -f "$2")
compiler=$(command -v "${3:-g++}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin" "$work/folder"
ln -s "$fewstep" "$work/folder/fewstep"
printf '#!/bin/sh\nexec %s "$@"\n' "$compiler" > "$work/bin/g++"
chmod +x "$work/bin/g++"
export PATH="$work/bin:$PATH" CXX="$compiler"
cd "$work/folder"

fail() {
  echo "$page:$number: $1" >&2
  exit 1
}

# take KIND NAME: what the marker before the fence asks to do with the fence's text, which is in $work/fence.
take() {
  case $1 in
    file) cp "$work/fence" "$2" ;;
    run)
      sed 's/^/$ /' "$work/fence" >&2
      bash -euo pipefail "$work/fence" > "$work/output" || fail "these commands failed"
      cat "$work/output" >&2
      ;;
    prints)
      diff -u "$work/fence" "$work/output" --label "$page" --label "what was printed" >&2 \
        || fail "the commands before print something else"
      compared=1
      ;;
  esac
}

number=0 compared=0 kind='' name='' fenced=0
marker='^<!-- ((file): ([^ ]+)|run|prints) -->$'
while IFS= read -r line <&3; do
  number=$((number + 1))
  if [[ $line == '```'* ]]; then
    ((!fenced)) || { take "$kind" "$name" && kind=''; }
    fenced=$((!fenced))
    : > "$work/fence"
  elif ((fenced)); then
    printf '%s\n' "$line" >> "$work/fence"
  elif [[ $line =~ $marker ]]; then
    kind=${BASH_REMATCH[2]:-${BASH_REMATCH[1]}} name=${BASH_REMATCH[3]}
  fi
done 3< "$page"
((compared)) || fail "nothing was compared; mark commands with <!-- run --> and what they print with <!-- prints -->"
