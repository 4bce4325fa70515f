// SPDX-License-Identifier: Apache-2.0
#include <fewstep/backend/staged_archive.hpp>

#include "test.hpp"

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/core/view.hpp>

#include <algorithm>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

using namespace fewstep;

namespace {

/// A backend in whose memory every number stands negated: what is not copied by it has the wrong sign.
struct negating_backend {
  static constexpr bool arrays_on_host = false;
  int to_host = 0, to_device = 0;

  void copy_to_host(const float* from, float* to, index_t n) {
    ++to_host;
    for (index_t i = 0; i < n; ++i) to[i] = -from[i];
  }
  void copy_to_device(const float* from, float* to, index_t n) {
    ++to_device;
    for (index_t i = 0; i < n; ++i) to[i] = -from[i];
  }
};
static_assert(!on_host<negating_backend>);

using stored = std::map<std::string, std::vector<float>>;

/// Names and numbers, in sections with a slash.
template <bool Saves>
struct plain_archive {
  static constexpr bool saves = Saves, loads = !Saves;
  stored* all;
  std::string prefix = {};

  std::vector<float>& at(std::string_view name) { return (*all)[prefix + std::string(name)]; }

  template <class T, int Rank>
  void operator()(std::string_view name, tensor_view<T, Rank> view) {
    if constexpr (Saves)
      at(name).assign(view.begin(), view.end());
    else if constexpr (!std::is_const_v<T>)
      std::copy(at(name).begin(), at(name).end(), view.begin());
  }
  template <class T>
  void operator()(std::string_view name, T&& value) {
    if constexpr (requires { value.serialize(*this); }) {
      plain_archive section{all, prefix + std::string(name) + "/"};
      value.serialize(section);
    } else if constexpr (Saves) {
      at(name).assign(1, static_cast<float>(value));
    } else {
      value = static_cast<std::remove_reference_t<T>>(at(name).at(0));
    }
  }
  template <class T>
  void must_match(std::string_view name, const T& value) {
    if constexpr (Saves)
      at(name).assign(1, static_cast<float>(value));
    else if (at(name).at(0) != static_cast<float>(value))
      throw std::runtime_error(std::string(name) + " differs");
  }
  void within(std::string_view name, std::int64_t& value, std::int64_t least, std::int64_t most) {
    (*this)(name, value);
    if (value < least || value > most) throw std::runtime_error(std::string(name) + " is out of range");
  }
};

/// An object with two arrays, one in a section of its own, a number and a count.
struct moments {
  std::vector<float> first, second;
  float rate = 0;
  std::int64_t steps = 0;

  struct inner {
    std::vector<float>& values;
    template <class Archive>
    void serialize(Archive& archive) {
      archive("values", vec<float>{values.data(), {static_cast<index_t>(values.size())}});
    }
  };
  template <class Archive>
  void serialize(Archive& archive) {
    archive("first", vec<float>{first.data(), {static_cast<index_t>(first.size())}});
    archive("rate", rate);
    inner of_second{second};
    archive("second", of_second);
    archive.must_match("size", first.size());
    detail::archive_count(archive, "steps", steps);
  }
};

}  // namespace

TEST_CASE("staged_archive brings arrays through the host, at any depth, and nothing else") {
  negating_backend backend;
  moments saved{{-1, -2, -3}, {-4, -5}, 0.5f, 7}, loaded{{0, 0, 0}, {0, 0}, 0, 0};
  stored all;
  plain_archive<true> out{&all};
  auto&& saving = staged(out, backend);
  saving("optimizer", saved);
  CHECK(all == stored{{"optimizer/first", {1, 2, 3}},
                      {"optimizer/rate", {0.5f}},
                      {"optimizer/second/values", {4, 5}},
                      {"optimizer/size", {3}},
                      {"optimizer/steps", {7}}});
  CHECK(backend.to_host == 2);

  plain_archive<false> in{&all};
  auto&& loading = staged(in, backend);
  loading("optimizer", loaded);
  CHECK(loaded.first == saved.first);
  CHECK(loaded.second == saved.second);
  CHECK(loaded.rate == 0.5f);
  CHECK(loaded.steps == 7);
}

TEST_CASE("staged_archive writes nothing back into an array that is only read") {
  negating_backend backend;
  const std::vector<float> values = {-1, -2};
  stored all;
  plain_archive<true> out{&all};
  staged(out, backend)("average", vec<const float>{values.data(), {2}});
  CHECK(all["average"] == std::vector<float>{1, 2});
  CHECK(backend.to_device == 0);
}

TEST_CASE("staged_archive passes on what must match, and what has a range") {
  negating_backend backend;
  moments state{{1}, {2}, 0, 0};
  stored all;
  plain_archive<true> out{&all};
  staged(out, backend)("optimizer", state);
  all["optimizer/steps"].assign(1, -1.0f);
  plain_archive<false> in{&all};
  CHECK_THROWS_WITH(staged(in, backend)("optimizer", state), contains("steps is out of range"));
  all["optimizer/size"].assign(1, 2.0f);
  CHECK_THROWS_WITH(staged(in, backend)("optimizer", state), contains("size differs"));
}

TEST_CASE("an archive of arrays on the host is itself") {
  cpu_backend backend({.threads = 1});
  stored all;
  plain_archive<true> out{&all};
  static_assert(std::is_same_v<decltype(staged(out, backend)), plain_archive<true>&>);
  CHECK(&staged(out, backend) == &out);
}
