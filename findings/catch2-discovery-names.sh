#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# catch_discover_tests of Catch2 3.7.1 and 2.13.10 with names of test cases that CMake's lists take apart: after a name with
# an unpaired bracket 3.7.1 makes one test of it and all that follow, which matches no test case; a name with a semicolon
# becomes two tests with 2.13.10, which match none either and pass, since version 2 takes that for a success. So test
# cases are not run, and nothing says so. CatchAddTests.cmake is run on a program that lists names as Catch2 does.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m 1 '/debian/$') \
  || { echo "cannot be tried here: apt has no mirror of Debian" >&2; exit 77; }

# discovered VERSION PACKAGE SHOWN: the tests that the package's script makes of the names on standard input.
discovered() {
  curl --silent --show-error --fail --location --output "$1.deb" "${mirror}pool/main/c/catch2/$2"
  dpkg-deb --extract "$1.deb" "$1"
  { printf '#!/bin/bash\ncat << END\n' && cat && printf 'END\n'; } > program
  # 2.13.10 exits with the number of names.
  [[ $1 == 3.* ]] || echo 'exit 3' >> program
  chmod +x program
  cmake -D TEST_EXECUTABLE="$folder/program" -D TEST_WORKING_DIR="$folder" -D CTEST_FILE="$folder/tests.cmake" \
    -P "$1/usr/lib/cmake/Catch2/CatchAddTests.cmake"
  grep -c '^add_test' tests.cmake
}

echo "version: Catch2 3.7.1 (Debian 13) and 2.13.10 (Debian 12), $(cmake --version | head -1)"
echo "expected: 3 test cases are 3 tests"
found=$(printf 'numbers in (0, 1]\nsecond\nthird\n' | discovered 3.7.1 libcatch2-dev_3.7.1-0.5_amd64.deb)
echo "seen: 3.7.1, 'numbers in (0, 1]' being the first of 3: $found test"
[[ $found == 1 ]]
found=$(printf 'numbers in [0, 1]\nsecond\nthird\n' | discovered 3.7.1 libcatch2-dev_3.7.1-0.5_amd64.deb)
echo "seen: 3.7.1, 'numbers in [0, 1]' being the first of 3: $found tests"
[[ $found == 3 ]]
found=$(printf 'same content; same bytes\nsecond\nthird\n' | discovered 2.13.10 catch2_2.13.10-1_amd64.deb)
echo "seen: 2.13.10, 'same content; same bytes' being the first of 3: $found tests"
[[ $found == 4 ]]
