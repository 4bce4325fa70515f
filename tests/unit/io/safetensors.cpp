// SPDX-License-Identifier: Apache-2.0
#include <fewstep/io/safetensors.hpp>

#include "support/temporary_directory.hpp"
#include "test.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <filesystem>
#include <limits>
#include <numeric>
#include <random>

namespace {

using fewstep::element_type;
using fewstep::safetensors_file;
using fewstep::safetensors_writer;

std::vector<std::byte> content(const std::string& header, std::size_t data, std::uint64_t length) {
  std::vector<std::byte> bytes(8 + header.size() + data);
  std::memcpy(bytes.data(), &length, 8);
  std::memcpy(bytes.data() + 8, header.data(), header.size());
  return bytes;
}

safetensors_writer small_model() {
  safetensors_writer writer;
  writer.add("weight", {2, 3}, std::vector<float>{1, -2, 3.5f, 0.1f, -0.0f, 1e-40f});
  writer.add("half", {2}, std::vector<float>{0.1f, 65504}, element_type::f16);
  writer.add("brain", {3}, std::vector<float>{0.1f, 3e38f, -1}, element_type::bf16);
  const std::uint64_t step = 0xfedcba9876543210u;
  writer.add_raw("step", {}, element_type::u64, std::as_bytes(std::span(&step, 1)));
  const std::uint8_t flags[] = {1, 2, 255};
  writer.add_raw("flags", {3}, element_type::u8, std::as_bytes(std::span(flags)));
  writer.add("empty", {0, 4}, {});
  writer.metadata("made by", "a \"test\"\n\u00e9");
  return writer;
}

}  // namespace

TEST_CASE("safetensors: what is written is read", "[io]") {
  const temporary_directory directory;
  small_model().write(directory / "m");
  const auto file = safetensors_file::load(directory / "m");
  CHECK(file.names() == std::vector<std::string>{"brain", "empty", "flags", "half", "step", "weight"});
  CHECK(file.contains("half"));
  CHECK_FALSE(file.contains("hal"));
  CHECK(file.shape("weight") == std::vector<fewstep::index_t>{2, 3});
  CHECK(file.type("half") == element_type::f16);
  CHECK(file.floats("weight") == std::vector<float>{1, -2, 3.5f, 0.1f, 0, 1e-40f});
  CHECK(std::signbit(file.floats("weight")[4]));
  CHECK(file.floats("half") == std::vector<float>{0.0999755859375f, 65504});
  CHECK(file.floats("brain") == std::vector<float>{0.10009765625f, 0x1.c4p+127f, -1});
  CHECK(file.floats("empty").empty());
  std::uint64_t step = 0;
  file.read("step", std::span(&step, 1));
  CHECK(step == 0xfedcba9876543210u);
  CHECK(file.bytes("flags")[2] == std::byte{255});
  CHECK(file.metadata().at("made by") == "a \"test\"\n\u00e9");
}

TEST_CASE("safetensors: the bytes of a small file", "[io]") {
  const temporary_directory directory;
  safetensors_writer writer;
  writer.metadata("k", "v");
  writer.add("b", {1}, std::vector<float>{1});
  writer.add("a", {1}, std::vector<float>{-2});
  writer.write(directory / "m");
  // The checksum is that of a slow one in Python, bit by bit.
  const std::string header =
      R"({"__metadata__":{"fewstep.crc32c":"9b44dcf4","k":"v"},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
      R"("b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})";
  const auto padded = header + std::string((8 - header.size() % 8) % 8, ' ');
  REQUIRE(padded.size() < 256);
  CHECK(text_of(directory / "m") == std::string(1, static_cast<char>(padded.size())) + std::string(7, '\0') + padded +
                                        std::string("\x00\x00\x00\xc0\x00\x00\x80\x3f", 8));
}

TEST_CASE("safetensors: same content, same bytes, and data aligned to its elements", "[io]") {
  const temporary_directory directory;
  const std::vector<float> values(3, 1.0f);
  const std::vector<double> wide(3, 2.0);
  safetensors_writer first;
  first.add("a", {3}, values, element_type::f16);
  first.add_view("z", {3}, element_type::f64, std::as_bytes(std::span(wide)));
  first.add("m", {3}, values);
  first.metadata("x", "1");
  first.metadata("y", "2");
  safetensors_writer second;
  second.metadata("y", "2");
  second.metadata("x", "1");
  second.add("m", {3}, values);
  second.add_raw("z", {3}, element_type::f64, std::as_bytes(std::span(wide)));
  second.add("a", {3}, values, element_type::f16);
  first.write(directory / "1");
  second.write(directory / "2");
  const auto text = text_of(directory / "1");
  CHECK(text == text_of(directory / "2"));
  CHECK(static_cast<unsigned char>(text[0]) % 8 == 0);
  CHECK_THAT(text, contains(R"("z":{"dtype":"F64","shape":[3],"data_offsets":[0,24]})"));
}

TEST_CASE("safetensors: wrong use of the writer is refused", "[io]") {
  safetensors_writer writer;
  writer.add("w", {2}, std::vector<float>(2));
  CHECK_THROWS_WITH(writer.add("w", {2}, std::vector<float>(2)), contains("'w' was added before"));
  CHECK_THROWS_WITH(writer.add("v", {3}, std::vector<float>(2)),
                    contains("'v'") && contains("[3]") && contains("8 bytes"));
  CHECK_THROWS_WITH(writer.add("v", {-1}, std::vector<float>(2)), contains("[-1]"));
  CHECK_THROWS_WITH(writer.add("v", {2}, std::vector<float>(2), element_type::i32), contains("not as I32"));
  CHECK_THROWS_WITH(writer.add("__metadata__", {2}, std::vector<float>(2)), contains("metadata()"));
  CHECK_THROWS_WITH(writer.add("\xff", {2}, std::vector<float>(2)), contains("not UTF-8"));
  CHECK_THROWS_WITH(writer.metadata("k", "\xc3"), contains("not UTF-8"));
}

TEST_CASE("safetensors: wrong reading names file and tensor", "[io]") {
  const temporary_directory directory;
  small_model().write(directory / "m");
  const auto file = safetensors_file::load(directory / "m");
  std::vector<float> five(5);
  std::int32_t number = 0;
  CHECK_THROWS_WITH(file.read_float("weight", five),
                    contains("/m: tensor 'weight' has 6 elements, shape [2, 3], but 5"));
  CHECK_THROWS_WITH(file.floats("step"), contains("tensor 'step' is U64"));
  CHECK_THROWS_WITH(file.floats("bias"), contains("tensor 'bias' is missing"));
  CHECK_THROWS_WITH(file.read("step", std::span(&number, 1)), contains("is U64, but I32 is asked for"));
}

TEST_CASE("safetensors: damaged files are refused with the reason", "[io]") {
  const temporary_directory directory;
  CHECK_THROWS_WITH(safetensors_file::load(directory / "absent"), contains("absent") && contains("No such file"));
  CHECK_THROWS_WITH(safetensors_file({}, "f"), contains("f: has 0 bytes"));
  CHECK_THROWS_WITH(safetensors_file(std::vector<std::byte>(7), "f"), contains("has 7 bytes"));
  CHECK_THROWS_WITH(safetensors_file(std::vector<std::byte>(8), "f"), contains("does not start with '{'"));
  CHECK_THROWS_WITH(safetensors_file(content("{}", 0, 3), "f"), contains("claims a header of 3 bytes in a file of 10"));
  CHECK_THROWS_WITH(safetensors_file(content("{}", 0, ~std::uint64_t{0}), "f"), contains("claims a header of 1844674"));
  CHECK_THROWS_WITH(safetensors_file(content("{}", 0, ~std::uint64_t{0} - 7), "f"), contains("claims a header"));
  CHECK_THROWS_WITH(safetensors_file(content("{}", 0, 1), "f"), contains("not JSON"));
  CHECK_NOTHROW(safetensors_file(content("{}", 0, 2), "f"));
}

TEST_CASE("safetensors: any truncation is refused, any changed byte is read or refused", "[io]") {
  const temporary_directory directory;
  small_model().write(directory / "m");
  const auto whole = fewstep::read_file(directory / "m");
  for (std::size_t length = 0; length < whole.size(); ++length) {
    CAPTURE(length);
    CHECK_THROWS_AS(
        safetensors_file(std::vector(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length)), "cut"),
        std::runtime_error);
  }
  auto longer = whole;
  longer.push_back(std::byte{0});
  CHECK_THROWS_AS(safetensors_file(longer, "longer"), std::runtime_error);

  const auto visit = [](const std::vector<std::byte>& bytes) {
    try {
      const safetensors_file file(bytes, "changed");
      for (const auto& name : file.names()) {
        if (file.type(name) == element_type::f32 || file.type(name) == element_type::f16) (void)file.floats(name);
        (void)file.bytes(name);
      }
      return true;
    } catch (const std::exception&) {
      return false;
    }
  };
  int accepted = 0;
  for (std::size_t at = 0; at < whole.size(); ++at)
    for (int change = 1; change < 256; change = change < 128 ? 2 * change : change + 127) {
      auto bytes = whole;
      bytes[at] ^= static_cast<std::byte>(change);
      accepted += visit(bytes);
    }
  CHECK(accepted > 0);

  const std::uint32_t seed = 7;
  CAPTURE(seed);
  std::mt19937 random(seed);
  const std::string alphabet = "{}[]\":,0123456789-eE.truefalsn\\u ";
  for (int round = 0; round < 3000; ++round) {
    auto bytes = whole;
    for (unsigned changes = 1 + random() % 4; changes > 0; --changes) {
      const auto at = static_cast<std::ptrdiff_t>(random() % bytes.size());
      const auto value = static_cast<std::byte>(alphabet[random() % alphabet.size()]);
      if (random() % 3 == 0)
        bytes.insert(bytes.begin() + at, value);
      else if (random() % 2 == 0)
        bytes.erase(bytes.begin() + at);
      else
        bytes[static_cast<std::size_t>(at)] = value;
    }
    visit(bytes);
  }
}

TEST_CASE("safetensors: every type that the package safetensors writes is read for what is asked", "[io]") {
  const auto file =
      safetensors_file::load(std::filesystem::path(__FILE__).parent_path() / "../../data/dtypes.safetensors");
  CHECK_FALSE(file.has_checksum());
  const auto limits_of = [&]<class T>(const char* name, T) {
    CAPTURE(name);
    T values[2] = {1, 1};
    file.read(name, std::span<T>(values));
    CHECK(values[0] == std::numeric_limits<T>::min());
    CHECK(values[1] == std::numeric_limits<T>::max());
  };
  limits_of("i8", std::int8_t{});
  limits_of("u8", std::uint8_t{});
  limits_of("i16", std::int16_t{});
  limits_of("u16", std::uint16_t{});
  limits_of("i32", std::int32_t{});
  limits_of("u32", std::uint32_t{});
  limits_of("i64", std::int64_t{});
  limits_of("u64", std::uint64_t{});
  bool flags[3] = {};
  file.read("bool", std::span<bool>(flags));
  CHECK((flags[0] && !flags[1] && flags[2]));
  double wide[2] = {};
  file.read("f64", std::span<double>(wide));
  CHECK(wide[0] == 0.1);
  CHECK(file.floats("f32") == std::vector<float>{0.1f, -3});
  CHECK(file.floats("f16") == std::vector<float>{0.0999755859375f, 65504});
  CHECK(file.floats("bf16") == std::vector<float>{0.10009765625f, -3});

  for (const std::string name : {"float8_e4m3fn", "float8_e5m2"}) {
    const auto found = file.floats(name), expected = file.floats(name + ".values");
    REQUIRE(found.size() == 256);
    for (std::size_t i = 0; i < 256; ++i) {
      CAPTURE(name, i, found[i], expected[i]);
      CHECK((std::isnan(expected[i])
                 ? std::isnan(found[i])
                 : std::bit_cast<std::uint32_t>(found[i]) == std::bit_cast<std::uint32_t>(expected[i])));
    }
  }
  CHECK(file.type("c64") == element_type::c64);
  CHECK(file.size("c64") == 2);
  CHECK(file.type("float8_e8m0fnu") == element_type::f8_e8m0);
  CHECK(file.type("float8_e4m3fnuz") == element_type::f8_e4m3fnuz);
  CHECK(file.type("float8_e5m2fnuz") == element_type::f8_e5m2fnuz);
  CHECK(file.type("float4") == element_type::f4);
  CHECK(file.shape("float4") == std::vector<fewstep::index_t>{1, 4});
  CHECK(file.size("float4") == 4);
  CHECK(file.bytes("float4")[1] == std::byte{0x43});
  CHECK_THROWS_WITH(file.floats("c64"), contains("tensor 'c64' is C64, but floats are read from"));
  CHECK_THROWS_WITH(file.floats("float8_e8m0fnu"), contains("is F8_E8M0"));
  CHECK_THROWS_WITH(file.floats("i16"), contains("is I16"));
}

TEST_CASE("safetensors: a type that nobody knows keeps nobody from the other tensors", "[io]") {
  const std::string header = R"({"__metadata__":null,"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                             R"("odd":{"dtype":"F3_E1M1","shape":[5],"data_offsets":[4,6]}})";
  const safetensors_file file(content(header, 6, header.size()), "f");
  CHECK(file.floats("a") == std::vector<float>{0});
  CHECK(file.metadata().empty());
  CHECK(file.names() == std::vector<std::string>{"a", "odd"});
  CHECK(file.dtype("odd") == "F3_E1M1");
  CHECK(file.shape("odd") == std::vector<fewstep::index_t>{5});
  CHECK(file.bytes("odd").size() == 2);
  CHECK_THROWS_WITH(file.type("odd"),
                    contains("f: tensor 'odd' has the dtype 'F3_E1M1', which this library does not know"));
  CHECK_THROWS_WITH(file.floats("odd"), contains("does not know"));
  CHECK_THROWS_WITH(file.size("odd"), contains("does not know"));
}

TEST_CASE("safetensors: a flag is read from a byte that is 0 or 1", "[io]") {
  const std::string header = R"({"b":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]}})";
  auto bytes = content(header, 2, header.size());
  bytes.back() = std::byte{2};
  bool flags[2] = {};
  CHECK_THROWS_WITH(safetensors_file(bytes, "f").read("b", std::span<bool>(flags)),
                    contains("tensor 'b' holds the byte 2 where a flag is 0 or 1"));
}

TEST_CASE("safetensors: a checksum that stands in a file is checked", "[io]") {
  const temporary_directory directory;
  small_model().write(directory / "m");
  const auto whole = fewstep::read_file(directory / "m");
  CHECK(safetensors_file(whole, "m").has_checksum());
  auto changed = whole;
  changed.back() ^= std::byte{1};
  CHECK_THROWS_WITH(safetensors_file(changed, "m"),
                    contains("m: is damaged: its checksum is ") && contains("was written"));
  auto line = text_of(directory / "m");
  line.replace(line.find("a \\\"test"), 1, "b");
  const auto bytes = fewstep::detail::bytes_of(line);
  CHECK_THROWS_WITH(safetensors_file({bytes.begin(), bytes.end()}, "m"), contains("is damaged"));

  // A file from elsewhere is given one, and stays what it was.
  const auto python =
      safetensors_file::load(std::filesystem::path(__FILE__).parent_path() / "../../data/dtypes.safetensors");
  safetensors_writer(python).write(directory / "python");
  const auto checked = safetensors_file::load(directory / "python");
  CHECK(checked.has_checksum());
  CHECK(checked.names() == python.names());
  for (const auto& name : python.names()) {
    CAPTURE(name);
    CHECK(checked.dtype(name) == python.dtype(name));
    CHECK(checked.shape(name) == python.shape(name));
    CHECK(std::ranges::equal(checked.bytes(name), python.bytes(name)));
  }
  CHECK(checked.metadata().at("made_with") == python.metadata().at("made_with"));

  // A line that was copied from another file is replaced.
  auto writer = small_model();
  writer.metadata(fewstep::checksum_key, "00000000");
  writer.write(directory / "again");
  CHECK(fewstep::read_file(directory / "again") == whole);
}

TEST_CASE("safetensors: the models that come with the library have checksums", "[io]") {
  const auto examples = std::filesystem::path(__FILE__).parent_path() / "../../../examples";
  for (const std::string model : {"reward_models/preference", "reward_models/two_tower", "paper/consistency",
                                  "paper/denoiser", "text_to_emoji/base", "text_to_emoji/denoiser"}) {
    CAPTURE(model);
    CHECK(safetensors_file::load(examples / (model + ".safetensors")).has_checksum());
  }
}

TEST_CASE("safetensors: a full disk leaves the old file", "[io]") {
  const temporary_directory directory;
  small_model().write(directory / "m");
  const auto old = text_of(directory / "m");
  safetensors_writer writer;
  writer.add("large", {100000}, std::vector<float>(100000));
  CHECK_THAT(error_on_full_disk(65536, [&] { writer.write(directory / "m"); }), contains("File too large"));
  CHECK(text_of(directory / "m") == old);
  CHECK(directory.files() == 1);
}
