#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# check-docs.sh [--update] ROOT
#
# Checks README.md, docs/*.md and the pages under examples/ of the project in ROOT, and prints every problem as
# page:line: problem.
#
#   <!-- block: FILE [SECTION] -->      up to <!-- end block --> stands the text of FILE, fenced; or what FILE has
#                                       between its two lines "//! [SECTION]" (scripts: "#! [SECTION]").
#                                       With --update such blocks are rewritten from the files.
#   <!-- file: NAME -->                 the fence after it is compiled by run-page.sh; the page must have a <!-- run -->
#   a C++ fence with neither of them    is a problem, since nothing would compile it
#   [text](target)                      a relative target must exist, and its #heading too
set -euo pipefail

update=0
[[ ${1:-} != --update ]] || { update=1; shift; }
cd "${1:?check-docs.sh [--update] ROOT}"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
problems=0 outdated=0

cpp_fence='^```(cpp|c\+\+|cc|cxx)'
block_marker='^<!-- block: ([^ ]+)( ([^ ]+))? -->$'
file_marker='^<!-- file: [^ ]+ -->$'
any_marker='^<!-- *(block|end block|file)'
link='\]\(([^)]+)\)(.*)'

problem() {  # PAGE LINE TEXT
  echo "$1:$2: $3" >&2
  problems=$((problems + 1))
}

# text_of FILE SECTION: what a block shows. SPDX and section lines are left out, blank lines at either end and the
# indentation that all lines share go too. Fails if the section does not have its two lines.
text_of() {
  awk -v section="$2" '
    function is_mark(name) { return $0 ~ "^[ \t]*(//|#)! \\[" name "\\][ \t]*$" }
    BEGIN { inside = section == "" }
    section != "" && is_mark(section) { inside = !inside; ++marks; next }
    is_mark("[^]]*") || (NR <= 2 && /^(\/\/|#) SPDX-License-Identifier:/) || !inside { next }
    { line[++n] = $0 }
    /[^ ]/ { match($0, /^ */); if (indent == "" || RLENGTH < indent) indent = RLENGTH; last = n; if (!first) first = n }
    END {
      for (i = first; i <= last && n; ++i) print substr(line[i], indent + 1)
      exit section != "" && marks != 2
    }' "$1"
}

language_of() {
  case $1 in
    *.cpp | *.hpp) echo cpp ;;
    *.sh) echo sh ;;
    *.cmake | *CMakeLists.txt) echo cmake ;;
    *.py) echo python ;;
  esac
}

# headings_of PAGE: the #anchors of its headings, as GitHub makes them, each between spaces.
headings_of() {
  awk '/^```/ { fenced = !fenced } !fenced && /^#+ / {
    sub(/^#+ +/, ""); $0 = tolower($0); gsub(/[^a-z0-9 _-]/, ""); gsub(/ /, "-"); printf " %s ", $0 }' "$1"
}

check_links() {  # PAGE LINE TEXT
  local rest target path anchor
  rest=$(sed 's/`[^`]*`//g' <<< "$3")
  while [[ $rest =~ $link ]]; do
    target=${BASH_REMATCH[1]%% *} rest=${BASH_REMATCH[2]}
    [[ ! $target =~ ^[a-z]+: ]] || continue
    path=$(dirname "$1")/${target%%#*} anchor=${target#*#}
    [[ $target != \#* ]] || path=$1
    if [[ ! -e $path ]]; then
      problem "$1" "$2" "the link '$target' leads nowhere; there is no ${path#./}"
    elif [[ $target == *\#* && $path == *.md && " $(headings_of "$path") " != *" $anchor "* ]]; then
      problem "$1" "$2" "the link '$target' leads nowhere; ${path#./} has no heading that becomes #$anchor"
    fi
  done
}

# check_block PAGE LINE FILE SECTION: the block that begins at LINE, its lines being in $scratch/block. Its right text
# goes to $scratch/page.
check_block() {
  local name="$3${4:+ [$4]}"
  if [[ ! -f $3 ]]; then
    problem "$1" "$2" "the block names $3, which is not there; name a file relative to the project's root"
    cat "$scratch/block" >> "$scratch/page"
  elif ! text_of "$3" "$4" > "$scratch/text"; then
    problem "$1" "$2" "the block names $name, but $3 does not have exactly two lines '//! [$4]'"
    cat "$scratch/block" >> "$scratch/page"
  else
    { echo "\`\`\`$(language_of "$3")"; cat "$scratch/text"; echo '```'; } > "$scratch/right"
    cat "$scratch/right" >> "$scratch/page"
    ((update)) || diff "$scratch/block" "$scratch/right" > "$scratch/diff" && return
    outdated=1
    problem "$1" "$2" "the block is not the text of $name:"
    sed 's/^/    /' "$scratch/diff" >&2
  fi
}

check_page() {
  local page=$1 line number=0 block=0 fenced=0 file='' section='' expected='' runs=0
  : > "$scratch/page"
  ! grep -qx -e '<!-- run -->' "$page" || runs=1
  while IFS= read -r line || [[ -n $line ]]; do
    number=$((number + 1))
    if ((block)); then
      if [[ $line == '<!-- end block -->' ]]; then
        check_block "$page" "$block" "$file" "$section"
        block=0
        echo "$line" >> "$scratch/page"
        continue
      elif [[ $line =~ $block_marker ]]; then
        break
      fi
      echo "$line" >> "$scratch/block"
      continue
    fi
    echo "$line" >> "$scratch/page"
    if [[ $line == '```'* ]]; then
      if ((!fenced)) && [[ $line =~ $cpp_fence ]]; then
        if [[ $expected != file ]]; then
          problem "$page" "$number" "nothing compiles this C++; show a file that is compiled: <!-- block: FILE -->"
        elif ((!runs)); then
          problem "$page" "$number" "a fence has a <!-- file: -->, but no <!-- run --> of the page compiles it"
        fi
      fi
      fenced=$((!fenced)) expected=''
    elif ((!fenced)); then
      if [[ $line =~ $block_marker ]]; then
        file=${BASH_REMATCH[1]} section=${BASH_REMATCH[3]} block=$number expected=''
        : > "$scratch/block"
      elif [[ $line =~ $file_marker ]]; then
        expected=file
      elif [[ $line =~ $any_marker ]]; then
        problem "$page" "$number" "this marker is not understood; see tests/docs/check-docs.sh for the three there are"
      else
        check_links "$page" "$number" "$line"
      fi
    fi
  done < "$page"
  if ((block)); then
    problem "$page" "$block" "the block has no '<!-- end block -->'"
  elif ((fenced)); then
    problem "$page" "$number" "the last fence is not closed"
  elif ((update)) && ! cmp -s "$scratch/page" "$page"; then
    cat "$scratch/page" > "$page"
    echo "$page: rewritten" >&2
  fi
}

while IFS= read -r page; do
  check_page "$page"
done < <({ ls README.md docs/*.md; find examples -name '*.md'; } 2> /dev/null | sort)

((problems)) || exit 0
((!outdated)) || echo "tests/docs/check-docs.sh --update . rewrites blocks from the files that they name" >&2
echo "$problems problem(s)" >&2
exit 1
