// SPDX-License-Identifier: Apache-2.0
#include <fewstep/algorithm/consistency_training_report.hpp>
#include <fewstep/log/tensorboard.hpp>

#include "support/temporary_directory.hpp"
#include "test.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <ctime>
#include <map>
#include <string>
#include <vector>

namespace {

/// A reader of its own: records, checksums (bit by bit) and protocol-buffer fields.
std::uint32_t slow_masked_crc(std::string_view bytes) {
  std::uint32_t crc = 0xffffffffu;
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (0x82f63b78u & (0u - (crc & 1u)));
  }
  crc = ~crc;
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

template <class T>
T take(std::string_view& bytes) {
  T value;
  if (bytes.size() < sizeof(T)) throw std::runtime_error("record torn");
  std::memcpy(&value, bytes.data(), sizeof(T));
  bytes.remove_prefix(sizeof(T));
  return value;
}

std::uint64_t take_varint(std::string_view& bytes) {
  std::uint64_t value = 0;
  for (int shift = 0;; shift += 7) {
    const auto byte = take<unsigned char>(bytes);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
}

/// Field number to raw value; numbers as the eight bytes of a word.
std::map<std::uint64_t, std::string> fields_of(std::string_view bytes) {
  std::map<std::uint64_t, std::string> fields;
  while (!bytes.empty()) {
    const auto key = take_varint(bytes);
    std::string& value = fields[key >> 3];
    if ((key & 7) == 0) {
      const auto number = take_varint(bytes);
      value.assign(reinterpret_cast<const char*>(&number), 8);
    } else {
      const std::size_t length = (key & 7) == 1 ? 8 : (key & 7) == 5 ? 4 : take_varint(bytes);
      value = bytes.substr(0, length);
      bytes.remove_prefix(length);
    }
  }
  return fields;
}

template <class T>
T as(const std::string& bytes) {
  std::string_view view = bytes;
  return take<T>(view);
}

std::vector<std::map<std::uint64_t, std::string>> events_of(const std::string& file) {
  std::vector<std::map<std::uint64_t, std::string>> events;
  std::string_view rest = file;
  while (!rest.empty()) {
    const auto head = rest.substr(0, 8);
    const auto length = take<std::uint64_t>(rest);
    if (take<std::uint32_t>(rest) != slow_masked_crc(head)) throw std::runtime_error("length checksum");
    const auto payload = rest.substr(0, length);
    rest.remove_prefix(length);
    if (take<std::uint32_t>(rest) != slow_masked_crc(payload)) throw std::runtime_error("payload checksum");
    events.push_back(fields_of(payload));
  }
  return events;
}

}  // namespace

TEST_CASE("tensorboard_writer: an independent reader finds every scalar", "[io]") {
  const temporary_directory directory;
  fewstep::tensorboard_writer board(directory / "runs/a");
  board.add_scalar("train/loss", 0.25f, 0, 1000.5);
  board.add_scalar("train/loss", -1e-40f, 300, 1001.0);
  board.add_scalar("l\u00e4ngen", std::nanf(""), std::int64_t{1} << 40);
  const auto events = events_of(text_of(board.path()));
  REQUIRE(events.size() == 4);
  CHECK(events[0].at(3) == "brain.Event:2");
  CHECK(as<double>(events[0].at(1)) > 1.6e9);

  const auto scalar = [&](std::size_t i) { return fields_of(fields_of(events[i].at(5)).at(1)); };
  CHECK(as<double>(events[1].at(1)) == 1000.5);
  CHECK(as<std::int64_t>(events[1].at(2)) == 0);
  CHECK(scalar(1).at(1) == "train/loss");
  CHECK(as<float>(scalar(1).at(2)) == 0.25f);
  CHECK(as<std::int64_t>(events[2].at(2)) == 300);
  CHECK(as<float>(scalar(2).at(2)) == -1e-40f);
  CHECK(as<std::int64_t>(events[3].at(2)) == std::int64_t{1} << 40);
  CHECK(scalar(3).at(1) == "l\u00e4ngen");
  CHECK(std::isnan(as<float>(scalar(3).at(2))));
}

TEST_CASE("tensorboard_writer: a report is one curve for each of its figures", "[io]") {
  const temporary_directory directory;
  fewstep::tensorboard_writer board(directory / "runs/a");
  board.add("pretraining", fewstep::consistency_training_report{.step = 7, .stage = 2, .loss = 0.5}, 8);
  const auto events = events_of(text_of(board.path()));
  const auto scalar = [&](std::size_t i) { return fields_of(fields_of(events.at(i).at(5)).at(1)); };
  REQUIRE(events.size() == 4);
  CHECK(as<std::int64_t>(events[1].at(2)) == 8);
  CHECK(scalar(1).at(1) == "pretraining/stage");
  CHECK(as<float>(scalar(1).at(2)) == 2);
  CHECK(scalar(2).at(1) == "pretraining/loss");
  CHECK(as<float>(scalar(2).at(2)) == 0.5f);
  CHECK(scalar(3).at(1) == "pretraining/gradient_norm");
}

TEST_CASE("tensorboard_writer: golden bytes", "[io]") {
  // Event{step = 300, summary{value{tag = "a", simple_value = 1}}} by the encoding's rules, written out by hand.
  fewstep::detail::protobuf_message scalar, summary, event;
  scalar.add_bytes(1, "a");
  scalar.add_float(2, 1.0f);
  summary.add_bytes(1, scalar.bytes());
  event.add_integer(2, 300);
  event.add_bytes(5, summary.bytes());
  CHECK(event.bytes() == std::string("\x10\xac\x02\x2a\x0a\x0a\x08\x0a\x01\x61\x15\x00\x00\x80\x3f", 15));
  fewstep::detail::protobuf_message negative;
  negative.add_integer(2, -1);
  CHECK(negative.bytes() == "\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
}

TEST_CASE("tensorboard_writer: a resumed run drops later steps and has a file of its own", "[io]") {
  const temporary_directory directory;
  fewstep::tensorboard_writer first(directory.path());
  fewstep::tensorboard_writer second(directory.path(), 41);
  CHECK(first.path() != second.path());
  CHECK_THAT(first.path().filename().string(), contains("events.out.tfevents."));
  CHECK(first.path().filename().string() < second.path().filename().string());
  const auto events = events_of(text_of(second.path()));
  REQUIRE(events.size() == 2);
  CHECK(as<std::int64_t>(events[1].at(2)) == 42);
  CHECK(as<std::int64_t>(fields_of(events[1].at(7)).at(1)) == 1);
}

TEST_CASE("tensorboard_writer: files of one second sort as they were made", "[io]") {
  const temporary_directory directory;
  std::vector<std::string> names;
  for (int i = 0; i < 25; ++i)
    names.push_back(fewstep::tensorboard_writer(directory.path()).path().filename().string());
  CHECK(std::is_sorted(names.begin(), names.end()));
  CHECK(std::adjacent_find(names.begin(), names.end()) == names.end());
}

TEST_CASE("tensorboard_writer: a new file sorts after all that are there", "[io]") {
  const auto now = std::to_string(std::time(nullptr) + 5);  // of this length until the year 2286
  for (const std::string& before :
       {"events.out.tfevents." + now + ".host.9999999999.9999999999", "events.out.tfevents." + now + ".host.4711.2.v2",
        std::string("zzz"), std::string("events.out.tfevents.zzz")}) {
    CAPTURE(before);
    const temporary_directory directory;
    put_text(directory / before, "");
    for (int i = 0; i < 3; ++i) {
      std::string last;
      for (const auto& entry : std::filesystem::directory_iterator(directory.path()))
        if (entry.path().filename().string() != "zzz") last = std::max(last, entry.path().filename().string());
      const auto name = fewstep::tensorboard_writer(directory.path()).path().filename().string();
      if (before.find("zzz") == std::string::npos) CHECK(last < name);
    }
    CHECK(directory.files() == 4);
  }
}

TEST_CASE("tensorboard_writer: a tag that is not UTF-8 is refused and the file stays sound", "[io]") {
  const temporary_directory directory;
  fewstep::tensorboard_writer board(directory.path());
  board.add_scalar("loss", 1, 0);
  CHECK_THROWS_WITH(board.add_scalar("l\xe4ngen", 1, 1), contains("the tag 'l\xe4ngen' is not UTF-8"));
  board.add_scalar("loss", 2, 1);
  CHECK(events_of(text_of(board.path())).size() == 3);
}

TEST_CASE("tensorboard_writer: errors name the path, and a full disk leaves whole records", "[io]") {
  const temporary_directory directory;
  put_text(directory / "file", "");
  CHECK_THROWS_WITH(fewstep::tensorboard_writer(directory / "file/runs"), contains("file/runs"));
  const auto what = error_on_full_disk(500, [&] {
    fewstep::tensorboard_writer board(directory / "runs");
    for (int step = 0; step < 100; ++step) board.add_scalar("loss", 1.0f, step);
  });
  CHECK_THAT(what, contains("events.out.tfevents.") && contains("taken back") && contains("File too large"));
  for (const auto& entry : std::filesystem::directory_iterator(directory / "runs"))
    CHECK(events_of(text_of(entry.path())).size() > 5);
}
