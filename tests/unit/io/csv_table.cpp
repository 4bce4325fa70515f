// SPDX-License-Identifier: Apache-2.0
#include "support/temporary_directory.hpp"
#include "test.hpp"

#include <fewstep/io/csv_table.hpp>

#include <string>

using namespace fewstep;

namespace {

csv_table table_of(const temporary_directory& folder, const std::string& text) {
  put_text(folder / "table.csv", text);
  return csv_table::load(folder / "table.csv");
}

}  // namespace

TEST_CASE("a table of comma-separated values is read by columns, with quotes, CRLF and empty lines") {
  const temporary_directory folder;
  const csv_table table =
      table_of(folder, "\xEF\xBB\xBFname,\"of, two\",last\r\n\r\na,\"b, c\",\"say \"\"d\"\"\"\n,,\"\"\n\ne,f,g");
  REQUIRE(table.rows() == 3);
  REQUIRE(table.columns().size() == 3);
  CHECK(table.find("of, two") == 1u);
  CHECK(!table.find("first"));
  CHECK(table.at(0, 1) == "b, c");
  CHECK(table.at(0, 2) == "say \"d\"");
  CHECK(table.at(1, 0).empty());
  CHECK(table.at(1, 2).empty());
  CHECK(table.at(2, 2) == "g");
  CHECK(table.place(2) == (folder / "table.csv").string() + ":6");
}

TEST_CASE("a file that is no table is refused, by file and line") {
  const temporary_directory folder;
  CHECK_THROWS_WITH(table_of(folder, ""), contains("table.csv: is empty"));
  CHECK_THROWS_WITH(table_of(folder, "\n\n"), contains("table.csv: is empty"));
  CHECK_THROWS_WITH(table_of(folder, "a,b\n"), contains("table.csv: has a line of columns, but no row"));
  CHECK_THROWS_WITH(table_of(folder, "a,b,a\n1,2,3\n"), contains("table.csv:1: column 'a' stands there twice"));
  CHECK_THROWS_WITH(table_of(folder, "a,b\n1,2\n1,2,3\n"),
                    contains("table.csv:3: has 3 fields, but there are 2 columns"));
  CHECK_THROWS_WITH(table_of(folder, "a,b\n1,\"2\n"), contains("table.csv:2: a quote is not closed"));
  CHECK_THROWS_WITH(table_of(folder, "a,b\n\"1\"x,2\n"), contains("table.csv:2: a quote is not closed"));
  CHECK_THROWS_WITH(csv_table::load(folder / "none.csv"), contains("none.csv: cannot be opened"));
}
