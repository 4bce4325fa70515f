#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# prepare.sh SOURCE BUILD FOLDER
# Makes what users have: FOLDER/prefix, where the library is installed, and FOLDER/fewstep, a copy of its source.
set -euo pipefail
rm -rf "$3"/{staging,prefix,fewstep}
mkdir -p "$3"/fewstep
cmake --install "$2" --prefix "$3"/staging > /dev/null
mv "$3"/staging "$3"/prefix  # what is installed may be moved
cp -rp "$1"/{CMakeLists.txt,CHANGELOG.md,LICENSE,cmake,include} "$3"/fewstep
