// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <limits>
#include <string_view>
#include <type_traits>

namespace fewstep::detail {

/// Whether an archive takes values away, or gives them back. Those of a checkpoint say so; a first pass that only
/// compares does neither.
template <class Archive>
concept saves = requires {
  requires Archive::saves;
};
template <class Archive>
concept loads = requires {
  requires Archive::loads;
};

/// Saves or loads a number of which an archive refuses values outside [least, most] before anything is changed, where
/// it can (load_checkpoint): a count that is negative, or that steps could not be added to.
template <class Archive, class T>
void archive_within(Archive& archive, std::string_view name, T& value, std::type_identity_t<T> least,
                    std::type_identity_t<T> most) {
  if constexpr (requires { archive.within(name, value, least, most); })
    archive.within(name, value, least, most);
  else
    archive(name, value);
}

/// A number of steps done.
template <class Archive>
void archive_count(Archive& archive, std::string_view name, std::int64_t& value) {
  archive_within(archive, name, value, 0, std::numeric_limits<std::int64_t>::max() / 2);
}

}  // namespace fewstep::detail
