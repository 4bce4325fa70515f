// SPDX-License-Identifier: Apache-2.0
#include <fewstep/core/error.hpp>
#include <fewstep/io/safetensors_header.hpp>

#include "test.hpp"

namespace {

auto parse(const std::string& text, std::uint64_t bytes) {
  return fewstep::detail::parse_safetensors_header(text, bytes, "model.safetensors");
}

std::string entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  const std::string& offsets) {
  return "\"" + name + "\":{\"dtype\":" + dtype + ",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}";
}

/// A header with one tensor.
std::string one(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return fewstep::message("{", entry("w", dtype, shape, offsets), "}");
}

}  // namespace

TEST_CASE("safetensors header: every element type, scalars, empty tensors, metadata", "[io]") {
  const auto header =
      parse("{\"__metadata__\":{\"format\":\"pt\",\"\":\"\\u00e9\"}," + entry("b", "\"BF16\"", "[2,1]", "[4,8]") + "," +
                entry("a", "\"F32\"", "[]", "[0,4]") + "," + entry("c", "\"I64\"", "[3,0]", "[8,8]") + "}   ",
            8);
  REQUIRE(header.tensors.size() == 3);
  CHECK(header.tensors[0].name == "a");
  CHECK(header.tensors[0].shape.empty());
  CHECK(header.tensors[1].type == fewstep::element_type::bf16);
  CHECK(header.tensors[1].shape == std::vector<fewstep::index_t>{2, 1});
  CHECK(header.tensors[2].begin == 8);
  CHECK(header.metadata.at("format") == "pt");
  CHECK(header.metadata.at("") == "\u00e9");

  // Bits of an element as safetensors 0.8.0 has them (tensor.rs, Dtype::bitsize), for 8 elements so many bytes.
  const std::pair<const char*, int> sizes[] = {
      {"F64", 64},        {"F32", 32},    {"F16", 16},    {"BF16", 16},   {"I64", 64},    {"I32", 32},
      {"U64", 64},        {"U32", 32},    {"U8", 8},      {"I16", 16},    {"U16", 16},    {"I8", 8},
      {"BOOL", 8},        {"C64", 64},    {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E5M2FNUZ", 8},
      {"F8_E4M3FNUZ", 8}, {"F6_E3M2", 6}, {"F6_E2M3", 6}, {"F4", 4}};
  CHECK(std::size(sizes) == fewstep::element_types.size());
  for (const auto& [name, bits] : sizes) {
    const auto text = one(fewstep::message("\"", name, "\""), "[2,4]", "[0," + std::to_string(bits) + "]");
    const auto tensor = parse(text, static_cast<std::uint64_t>(bits)).tensors.at(0);
    REQUIRE(tensor.type.has_value());
    CHECK(info(*tensor.type).name == name);
    CHECK(tensor.dtype == name);
  }
  CHECK(parse("{\"__metadata__\":null}", 0).metadata.empty());
  CHECK_FALSE(parse(one("\"f32\"", "[1]", "[0,4]"), 4).tensors.at(0).type.has_value());
  CHECK(parse("{}", 0).tensors.empty());
}

TEST_CASE("safetensors header: what is wrong is named", "[io]") {
  const auto f = std::string("\"F32\"");
  const struct {
    std::string header;
    std::uint64_t bytes;
    std::string complaint;
  } cases[] = {
      {"", 0, "does not start with '{'"},
      {" {}", 0, "does not start with '{'"},
      {"[]", 0, "does not start with '{'"},
      {"{", 0, "not JSON"},
      {"{}x", 0, "not JSON"},
      {"{}{}", 0, "not JSON"},
      {std::string("{}\0", 3), 0, "zero byte"},
      {"{\"\xff\":1}", 0, "not JSON"},
      {"{\"w\":1}", 0, "tensor 'w' is 1, not an object"},
      {"{\"w\":null}", 0, "tensor 'w' is null"},
      {"{\"w\":[]}", 0, "tensor 'w' is a list"},
      {"{\"w\":\"x\"}", 0, "tensor 'w' is the string 'x'"},
      {"{\"w\":{}}", 0, "tensor 'w' has no dtype"},
      {"{\"w\":{\"dtype\":\"F32\"}}", 0, "tensor 'w' has no shape"},
      {"{\"w\":{\"dtype\":\"F32\",\"shape\":[1]}}", 0, "tensor 'w' has no data_offsets"},
      {"{\"w\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", 0, "tensor 'w' has 'dtype' twice"},
      {"{\"w\":{\"extra\":1}}", 0, "unknown field 'extra'"},
      {one("\"F4\"", "[3]", "[0,1]"), 1, "tensor 'w' of F4 has the impossible shape [3]"},
      {one("\"I16\"", "[1]", "[0,1]"), 1, "tensor 'w' of I16 [1] needs 2 bytes"},
      {one("\"f32\"", "[1]", "[0,5]"), 4, "claims bytes 0 to 5 of a data section of 4"},
      {one("7", "[1]", "[0,4]"), 4, "has 7 for its dtype"},
      {one("[]", "[1]", "[0,4]"), 4, "a list for its dtype"},
      {one(f, "3", "[0,4]"), 4, "has 3 in its shape"},
      {one(f, "{}", "[0,4]"), 4, "an object in its shape"},
      {one(f, "[[1]]", "[0,4]"), 4, "a list in its shape"},
      {one(f, "[-1]", "[0,4]"), 4, "has -1 in its shape"},
      {one(f, "[1.0]", "[0,4]"), 4, "has 1.0 in its shape"},
      {one(f, "[1e0]", "[0,4]"), 4, "has 1e0 in its shape"},
      {one(f, "[true]", "[0,4]"), 4, "has true in its shape"},
      {one(f, "[\"1\"]", "[0,4]"), 4, "the string '1' in its shape"},
      {one(f, "[18446744073709551615]", "[0,4]"), 4, "in its shape"},
      {one(f, "[36893488147419103232]", "[0,4]"), 4, "in its shape"},
      {one(f, "[1]", "[-4,0]"), 4, "has -4 in its data_offsets"},
      {one(f, "[1]", "[0,4.5]"), 4, "has 4.5 in its data_offsets"},
      {one(f, "[1]", "[0]"), 4, "has 1 data_offsets"},
      {one(f, "[1]", "[0,4,8]"), 4, "has 3 data_offsets"},
      {one(f, "[1]", "[4,0]"), 4, "claims bytes 4 to 0"},
      {one(f, "[1]", "[0,4]"), 3, "claims bytes 0 to 4 of a data section of 3 bytes"},
      {one(f, "[2]", "[0,4]"), 4, "needs 8 bytes, but its data_offsets span 4"},
      {one(f, "[4294967296,4294967296,4]", "[0,4]"), 4, "impossible shape [4294967296, 4294967296, 4]"},
      {one(f, "[9223372036854775807]", "[0,4]"), 4, "impossible shape"},
      {one(f, "[1]", "[4,8]"), 8, "bytes 0 to 4 before tensor 'w' belong to no tensor"},
      {one(f, "[1]", "[0,4]"), 9, "bytes 4 to 9 at the end belong to no tensor"},
      {"{}", 1, "bytes 0 to 1 at the end"},
      {fewstep::message("{", entry("v", f, "[2]", "[0,8]"), ",", entry("w", f, "[2]", "[4,12]"), "}"), 12,
       "tensor 'w' begins at byte 4 and overlaps tensor 'v'"},
      {fewstep::message("{", entry("v", f, "[1]", "[0,4]"), ",", entry("w", f, "[1]", "[8,12]"), "}"), 12,
       "bytes 4 to 8"},
      {fewstep::message("{", entry("w", f, "[1]", "[0,4]"), ",", entry("w", f, "[1]", "[4,8]"), "}"), 8,
       "tensor 'w' appears twice"},
      {"{\"__metadata__\":{\"a\":1}}", 0, "__metadata__ has 1 for 'a'"},
      {"{\"__metadata__\":{\"a\":{}}}", 0, "__metadata__ has an object for 'a'"},
      {"{\"__metadata__\":{\"a\":\"x\",\"a\":\"y\"}}", 0, "__metadata__ has 'a' twice"},
      {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, "__metadata__ appears twice"},
      {"{\"__metadata__\":3}", 0, "__metadata__ is 3"},
  };
  for (const auto& [header, bytes, complaint] : cases) {
    CAPTURE(header);
    CHECK_THROWS_WITH(parse(header, bytes), contains("model.safetensors: ") && contains(complaint));
  }
}

TEST_CASE("safetensors header: deep nesting is refused, not followed", "[io]") {
  const std::string lists(1'000'000, '[');
  std::string objects;
  for (int i = 0; i < 200'000; ++i) objects += "{\"a\":";
  CHECK_THROWS_AS(parse("{\"w\":" + lists, 0), std::runtime_error);
  CHECK_THROWS_AS(parse("{\"w\":{\"shape\":" + lists, 0), std::runtime_error);
  CHECK_THROWS_AS(parse(objects, 0), std::runtime_error);
  CHECK_THROWS_AS(parse("{\"__metadata__\":" + objects, 0), std::runtime_error);
}
