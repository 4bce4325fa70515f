// SPDX-License-Identifier: Apache-2.0
#include <fewstep/algorithm/consistency_training_report.hpp>
#include <fewstep/log/metrics_csv.hpp>

#include "support/temporary_directory.hpp"
#include "test.hpp"

#include <cmath>
#include <limits>
#include <random>

using fewstep::metrics_csv;

TEST_CASE("metrics_csv writes a header and one row an update", "[io]") {
  const temporary_directory directory;
  metrics_csv table(directory / "m.csv", {"mean", "count"});
  CHECK(text_of(directory / "m.csv") == "update,mean,count\n");
  table.append(0, 0.1f, 3);
  CHECK(text_of(directory / "m.csv") == "update,mean,count\n0,0.1,3\n");
  table.append(1, std::vector<double>{0.1, 1e300});
  table.append(5, std::vector<float>{-0.0f, std::numeric_limits<float>::infinity()});
  table.append(6, std::nan(""), true);
  CHECK(text_of(directory / "m.csv") == "update,mean,count\n0,0.1,3\n1,0.1,1e+300\n5,-0,inf\n6,nan,1\n");
  CHECK(table.last_update() == 6);
}

TEST_CASE("metrics_csv writes NaN without its sign", "[io]") {
  std::string text;
  fewstep::append_number(text, std::copysign(std::nan(""), -1.0));
  fewstep::append_number(text, std::copysign(std::nanf(""), -1.0f));
  CHECK(text == "nannan");
}

TEST_CASE("metrics_csv takes a report by its figures", "[io]") {
  using report = fewstep::consistency_training_report;
  const temporary_directory directory;
  metrics_csv table(directory / "m.csv", fewstep::figure_names<report>());
  table.append(8, report{.step = 7, .stage = 2, .loss = 0.5, .gradient_norm = 3});
  CHECK(text_of(directory / "m.csv") == "update,stage,loss,gradient_norm\n8,2,0.5,3\n");
}

TEST_CASE("metrics_csv numbers read back as the same bits", "[io]") {
  const std::uint32_t seed = 99;
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  for (int i = 0; i < 20000; ++i) {
    const auto value = std::bit_cast<double>(static_cast<std::uint64_t>(random()));
    const auto single = static_cast<float>(value);
    if (!std::isfinite(value)) continue;
    std::string text;
    fewstep::append_number(text, value);
    REQUIRE(std::strtod(text.c_str(), nullptr) == value);
    text.clear();
    fewstep::append_number(text, single);
    REQUIRE(std::strtof(text.c_str(), nullptr) == single);
  }
}

TEST_CASE("metrics_csv: a resumed table equals an uninterrupted one", "[io]") {
  const temporary_directory directory;
  const auto write = [](metrics_csv& table, int from, int to) {
    for (int update = from; update < to; ++update) table.append(update, std::sqrt(update));
  };
  metrics_csv whole(directory / "whole.csv", {"root"});
  write(whole, 0, 12);
  for (const std::string torn : {"", "9", "9,3.16", "9,3,"}) {
    {
      metrics_csv table(directory / "m.csv", {"root"});
      write(table, 0, 9);
    }
    put_text(directory / "m.csv", text_of(directory / "m.csv") + torn);
    auto table = metrics_csv::resume_at(directory / "m.csv", {"root"}, 6);
    CHECK(table.last_update() == 6);
    write(table, 7, 12);
    CHECK(text_of(directory / "m.csv") == text_of(directory / "whole.csv"));
  }
}

TEST_CASE("metrics_csv: resuming with nothing to keep begins anew", "[io]") {
  const temporary_directory directory;
  for (const char* before : {"", "upd", "update,a\n", "update,a\n3,1\n"}) {
    put_text(directory / "m.csv", before);
    auto table = metrics_csv::resume_at(directory / "m.csv", {"a"}, 2);
    table.append(3, 4);
    CHECK(text_of(directory / "m.csv") == "update,a\n3,4\n");
  }
  std::filesystem::remove(directory / "m.csv");
  auto table = metrics_csv::resume_at(directory / "m.csv", {"a"}, 2);
  CHECK_FALSE(table.last_update());
  CHECK(directory.files() == 1);
}

TEST_CASE("metrics_csv refuses other tables and leaves them alone", "[io]") {
  const temporary_directory directory;
  const struct {
    std::string text;
    std::string complaint;
  } cases[] = {{"update,b\n1,2\n", "has the columns 'update,b', but 'update,a'"},
               {"update,a\n1\n", "m.csv:2: '1' is no row of 2 numbers"},
               {"update,a\n1,2\n2,3,4\n", "m.csv:3: '2,3,4'"},
               {"update,a\n1,2\nx,3\n", "m.csv:3: 'x,3'"},
               {"update,a\n1,2\n1,3\n", "m.csv:3: '1,3'"},
               {"update,a\n1.5,2\n", "m.csv:2: '1.5,2'"}};
  for (const auto& [text, complaint] : cases) {
    CAPTURE(text);
    put_text(directory / "m.csv", text);
    CHECK_THROWS_WITH(metrics_csv::resume_at(directory / "m.csv", {"a"}, 10), contains(complaint));
    CHECK(text_of(directory / "m.csv") == text);
  }
}

TEST_CASE("metrics_csv refuses wrong rows and names", "[io]") {
  const temporary_directory directory;
  metrics_csv table(directory / "m.csv", {"a"});
  table.append(4, 1);
  CHECK_THROWS_WITH(table.append(5, 1, 2), contains("2 values for the 1 columns"));
  CHECK_THROWS_WITH(table.append(4, 1), contains("update 4 after update 4") && contains("resume_at"));
  CHECK(text_of(directory / "m.csv") == "update,a\n4,1\n");
  CHECK_THROWS_WITH(metrics_csv(directory / "n.csv", {"a,b"}), contains("'a,b' is no name"));
  CHECK_THROWS_WITH(metrics_csv(directory / "n.csv", {"l\xe4nge"}), contains("l\xe4nge") && contains("not UTF-8"));
  CHECK_FALSE(std::filesystem::exists(directory / "n.csv"));
}

TEST_CASE("metrics_csv: a full disk takes the row back", "[io]") {
  const temporary_directory directory;
  const auto what = error_on_full_disk(20, [&] {
    metrics_csv table(directory / "m.csv", {"a"});
    table.append(1, 1);
    table.append(2, 0.123456789);
  });
  CHECK_THAT(what,
             contains("row of update 2") && contains("m.csv") && contains("7 of 14 bytes written and taken back"));
  CHECK(text_of(directory / "m.csv") == "update,a\n1,1\n");
}

TEST_CASE("metrics_csv: what the system lost is a gap after a resume", "[io]") {
  using gap = std::optional<std::pair<std::int64_t, std::int64_t>>;
  const temporary_directory directory;
  const auto path = directory / "m.csv";
  const struct {
    std::string rows;
    std::int64_t update;
    gap expected;
  } cases[] = {{"1,0\n2,0\n3,0\n", 3, {}},
               {"1,0\n2,0\n3,0\n4,0\n", 3, {}},
               {"0,0\n1,0\n2,0\n", 2, {}},
               {"", 0, {}},
               {"1,0\n2,0\n", 3, gap({3, 3})},
               {"1,0\n2,0\n3,", 5, gap({3, 5})},
               {"1,0\n4,0\n5,0\n", 5, gap({2, 3})},
               {"1,0\n4,0\n", 6, gap({2, 3})},
               {"1,0\n5,0\n", 3, gap({2, 3})},
               {"3,0\n", 3, gap({1, 2})},
               {"", 2, gap({1, 2})}};
  for (const auto& [rows, update, expected] : cases) {
    CAPTURE(rows, update);
    put_text(path, "update,a\n" + rows);
    CHECK(metrics_csv::resume_at(path, {"a"}, update).gap() == expected);
  }
  std::filesystem::remove(path);
  CHECK(metrics_csv::resume_at(path, {"a"}, 7).gap() == gap({1, 7}));

  metrics_csv table(path, {"a"});
  table.append(5, 1);
  CHECK(table.gap() == gap());  // where it begins anew is no business of the table
  CHECK_NOTHROW(table.synchronise());
}
