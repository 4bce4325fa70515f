#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# batch.sh BATCH SOURCE...: writes the file BATCH, which is compiled in place of the sources: all that they include, and
# then each of them in a namespace of its own, where its includes add nothing any more. So no name in one source meets
# that of another. A source in a batch defines no macro, and nothing in a namespace that others know. The main() of a
# program becomes run() in its namespace.
set -euo pipefail
batch=$1
shift
{
  for source; do
    folder=$(dirname "$source")
    while read -r directive name; do
      local_name=${name//\"/}
      [[ $name == \"* && -f $folder/$local_name ]] && name="\"$folder/$local_name\""
      echo "$directive $name"
    done < <(grep '^#include ' "$source")
  done | awk '!seen[$0]++'
  if grep -qx 'int main() {' "$@"; then
    printf '\n#define main() unused_result = 0; void run()\n'
  fi
  for source; do
    name=$(basename "$(dirname "$source")")_$(basename "${source%.*}")
    printf '\nnamespace in_%s {\n#include "%s"\n}\n' "$name" "$source"
  done
} > "$batch"
