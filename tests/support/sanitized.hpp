// SPDX-License-Identifier: Apache-2.0
#pragma once

// FEWSTEP_TEST_SANITIZED is defined under a sanitizer that has memory of its own.

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FEWSTEP_TEST_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define FEWSTEP_TEST_SANITIZED
#endif
#endif
