// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/figure.hpp>
#include <fewstep/core/utf8.hpp>
#include <fewstep/io/atomic_file.hpp>
#include <fewstep/io/crc32c.hpp>
#include <fewstep/io/file.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace fewstep {

namespace detail {

/// Protocol-buffer encoding of the few messages that scalars need (tensorflow/core/util/event.proto and
/// framework/summary.proto): a field is a key, number << 3 | wire type, and its value.
class protobuf_message {
 public:
  void add_double(std::uint32_t field, double value) { add_fixed(field << 3 | 1, std::bit_cast<std::uint64_t>(value)); }
  void add_float(std::uint32_t field, float value) { add_fixed(field << 3 | 5, std::bit_cast<std::uint32_t>(value)); }
  void add_integer(std::uint32_t field, std::int64_t value) {
    add_varint(field << 3);
    add_varint(static_cast<std::uint64_t>(value));
  }
  void add_bytes(std::uint32_t field, std::string_view value) {
    add_varint(field << 3 | 2);
    add_varint(value.size());
    bytes_ += value;
  }
  [[nodiscard]] const std::string& bytes() const { return bytes_; }

 private:
  void add_varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(static_cast<unsigned char>(value | 0x80));
    bytes_ += static_cast<char>(value);
  }
  template <class Unsigned>
  void add_fixed(std::uint32_t key, Unsigned value) {
    add_varint(key);
    for (std::size_t i = 0; i < sizeof(value); ++i)
      bytes_ += static_cast<char>(static_cast<unsigned char>(value >> (8 * i)));
  }

  std::string bytes_;
};

/// One record of a TFRecord file: length, masked checksum of the length, payload, masked checksum of the payload.
[[nodiscard]] inline std::string tfrecord(std::string_view payload) {
  const auto little_endian = [](std::uint64_t value, std::size_t count) {
    std::string bytes;
    for (std::size_t i = 0; i < count; ++i) bytes += static_cast<char>(static_cast<unsigned char>(value >> (8 * i)));
    return bytes;
  };
  const auto checksum = [&](std::string_view bytes) {
    return little_endian(std::rotr(crc32c(bytes_of(bytes)), 15) + 0xa282ead8u, 4);
  };
  const auto length = little_endian(payload.size(), 8);
  return length + checksum(length) + std::string(payload) + checksum(payload);
}

}  // namespace detail

/// Writes scalars as an event file that TensorBoard shows. Every record is handed to the system at once; a record torn
/// by a kill is skipped by TensorBoard.
///
///     tensorboard_writer board("runs/first");
///     board.add_scalar("train/clip_fraction", 0.12f, update);
class tensorboard_writer {
 public:
  /// Makes a new event file in the directory (made if missing). With `resume_at`, TensorBoard drops what earlier files
  /// of the directory hold for steps after it. Throws std::system_error naming the path.
  explicit tensorboard_writer(const std::filesystem::path& directory,
                              std::optional<std::int64_t> resume_at = std::nullopt) {
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (error) throw std::system_error(error, message("cannot make the directory '", directory.string(), "'"));
    open(directory);

    detail::protobuf_message version;
    version.add_double(wall_time_field, now());
    version.add_bytes(file_version_field, "brain.Event:2");
    write(version);
    if (!resume_at) return;
    detail::protobuf_message start;
    start.add_integer(1, 1);  // SessionLog.status = START
    detail::protobuf_message event;
    event.add_double(wall_time_field, now());
    event.add_integer(step_field, *resume_at + 1);
    event.add_bytes(session_log_field, start.bytes());
    write(event);
  }

  /// Adds one point of the curve `tag`; slashes in tags group curves. Wall time is seconds since 1970, now by default.
  /// Throws std::system_error naming the file if it cannot be written, and std::invalid_argument if the tag is not
  /// UTF-8: one such tag, and TensorBoard shows nothing of the run. Earlier points stay.
  void add_scalar(std::string_view tag, float value, std::int64_t step, std::optional<double> wall_time = {}) {
    require_utf8(tag, "tensorboard_writer: the tag");
    detail::protobuf_message scalar;
    scalar.add_bytes(1, tag);
    scalar.add_float(2, value);
    detail::protobuf_message summary;
    summary.add_bytes(1, scalar.bytes());
    detail::protobuf_message event;
    event.add_double(wall_time_field, wall_time.value_or(now()));
    event.add_integer(step_field, step);
    event.add_bytes(summary_field, summary.bytes());
    write(event);
  }

  /// One point of each figure of a report, as the curves GROUP/NAME.
  template <reports_figures Report>
  void add(std::string_view group, const Report& report, std::int64_t step) {
    for (const figure<Report>& f : Report::figures())
      add_scalar(message(group, "/", f.name), static_cast<float>(f.of(report)), step);
  }

  /// Waits until all points are on the disk. Throws std::system_error if that fails.
  void synchronise() {
    if (!detail::synchronise(file_.get()))
      detail::throw_io_error(errno, message("cannot write '", path_.string(), "' to disk"));
  }

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  static constexpr std::uint32_t wall_time_field = 1;
  static constexpr std::uint32_t step_field = 2;
  static constexpr std::uint32_t file_version_field = 3;
  static constexpr std::uint32_t summary_field = 5;
  static constexpr std::uint32_t session_log_field = 7;

  [[nodiscard]] static double now() {
    return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  }

  static constexpr std::string_view name_begin = "events.out.tfevents.";
  static constexpr std::size_t digits = 10;

  [[nodiscard]] static std::string padded(std::int64_t number) {
    const std::string text = std::to_string(number);
    return std::string(text.size() < digits ? digits - text.size() : 0, '0') + text;
  }

  [[nodiscard]] static std::string last_event_file(const std::filesystem::path& directory) {
    std::string last;
    for (const auto& entry : std::filesystem::directory_iterator(directory))
      if (auto name = entry.path().filename().string(); name.starts_with(name_begin)) last = std::max(last, name);
    return last;
  }

  /// TensorBoard reads the files of a directory in the order of their names: time, then process and counter, all of one
  /// length. Where another process has left a later name (its number is higher, the clock was set back), the time in
  /// the new name is the next second after that.
  void open(const std::filesystem::path& directory) {
    static std::atomic<int> next{0};
    std::array<char, 256> host{};
    if (::gethostname(host.data(), host.size() - 1) != 0 || host[0] == '\0') host = {"localhost"};
    auto seconds = static_cast<std::int64_t>(now());
    const std::string last = last_event_file(directory);
    do {
      const std::string rest = message(".", host.data(), ".", padded(::getpid()), ".", padded(next++));
      if (name_begin.data() + padded(seconds) + rest <= last) {
        const std::string_view stands = std::string_view(last).substr(name_begin.size(), digits);
        std::from_chars(stands.data(), stands.data() + stands.size(), seconds);
        ++seconds;
      }
      path_ = directory / (name_begin.data() + padded(seconds) + rest);
      file_ = detail::file_descriptor(::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666));
    } while (!file_ && errno == EEXIST);
    if (!file_) detail::throw_io_error(errno, message("cannot make '", path_.string(), "'"));
  }

  void write(const detail::protobuf_message& event) {
    const auto record = detail::tfrecord(event.bytes());
    const auto written = detail::write_fully(file_.get(), detail::bytes_of(record));
    if (written < record.size()) {
      const int code = errno;
      const bool undone = ::ftruncate(file_.get(), length_) == 0;
      detail::throw_io_error(code, message("cannot append to '", path_.string(), "' (", written, " of ", record.size(),
                                           " bytes written", undone ? " and taken back)" : ")"));
    }
    length_ += static_cast<off_t>(record.size());
  }

  std::filesystem::path path_;
  detail::file_descriptor file_;
  off_t length_ = 0;
};

}  // namespace fewstep
