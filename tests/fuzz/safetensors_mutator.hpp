// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/io/content_checksum.hpp>
#include <fewstep/io/safetensors.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);

/// Mutations of safetensors files. Bytes changed blindly nearly always end at the length of the header or at the
/// checksum; so the header or the data are changed, and then most of the time both numbers are made right again.
namespace fewstep::fuzz {

/// What content_checksum asks of a file, without the line of the checksum under another name.
struct unchecked_file {
  const safetensors_file& file;
  std::map<std::string, std::string, std::less<>> lines;

  [[nodiscard]] const auto& metadata() const { return lines; }
  [[nodiscard]] auto names() const { return file.names(); }
  [[nodiscard]] auto dtype(std::string_view name) const { return file.dtype(name); }
  [[nodiscard]] const auto& shape(std::string_view name) const { return file.shape(name); }
  [[nodiscard]] auto bytes(std::string_view name) const { return file.bytes(name); }
};

/// Puts the right digits into the line of the checksum, if there is one and the file can be read.
inline void repair_checksum(std::span<std::uint8_t> bytes) {
  const std::string key(checksum_key), mark = "\"" + key + "\":\"";
  const auto at = std::search(bytes.begin(), bytes.end(), mark.begin(), mark.end());
  if (bytes.end() - at < static_cast<std::ptrdiff_t>(mark.size() + 9)) return;
  std::vector<std::byte> renamed(bytes.size());
  std::memcpy(renamed.data(), bytes.data(), bytes.size());
  renamed[static_cast<std::size_t>(at - bytes.begin()) + 1] = std::byte{'?'};
  try {
    const safetensors_file file(std::move(renamed), "input");
    unchecked_file unchecked{file, file.metadata()};
    unchecked.lines.erase("?" + key.substr(1));
    const auto digits = detail::content_checksum(unchecked);
    std::copy(digits.begin(), digits.end(), at + static_cast<std::ptrdiff_t>(mark.size()));
  } catch (const std::exception&) {
  }
}

inline std::size_t mutate_safetensors(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {
  std::minstd_rand random(seed);
  const auto chance = [&](unsigned of) { return random() % of == 0; };
  std::uint64_t length = 0;
  if (size >= 8) std::memcpy(&length, data, 8);
  if (size < 8 || length > size - 8 || chance(20)) return LLVMFuzzerMutate(data, size, most);

  std::vector<std::uint8_t> header(data + 8, data + 8 + length), rest(data + 8 + length, data + size);
  auto& part = chance(3) ? rest : header;
  const auto before = part.size(), room = before + (most - size);
  part.resize(room);
  part.resize(LLVMFuzzerMutate(part.data(), before, room));
  length = header.size();
  std::memcpy(data, &length, 8);
  std::copy(header.begin(), header.end(), data + 8);
  std::copy(rest.begin(), rest.end(), data + 8 + header.size());
  const auto total = 8 + header.size() + rest.size();
  if (!chance(10)) repair_checksum({data, total});
  return total;
}

}  // namespace fewstep::fuzz

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed);
std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {
  return fewstep::fuzz::mutate_safetensors(data, size, most, seed);
}
