// SPDX-License-Identifier: Apache-2.0
#if !defined(OWN_Eigen3__Eigen) || !defined(OWN_nlohmann_json__nlohmann_json) || !defined(OWN_JPEG__JPEG) || \
    !defined(OWN_PNG__PNG) || !defined(OWN_benchmark__benchmark)
#error "the library does not link to the project's own targets"
#endif
