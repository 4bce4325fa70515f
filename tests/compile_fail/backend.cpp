// SPDX-License-Identifier: Apache-2.0
#include "archetype/backend.hpp"
#include "compile_fail/compose.hpp"

using namespace backend_archetype;
using compose::with_backend;

using complete = with_backend<archetype<>>;
using without_executor_type = with_backend<archetype<drop::executor_type>>;  // error: fewstep::backend: executor_type
using without_threads = with_backend<archetype<drop::threads>>;  // error: fewstep::backend: executor_type, int threads
using without_executor =
    with_backend<archetype<drop::executor>>;  // error: fewstep::backend: executor_type, int threads
using without_allocate = with_backend<archetype<drop::allocate>>;  // error: fewstep::backend: buffer<T> allocate
using without_buffer = with_backend<archetype<drop::buffer>>;      // error: fewstep::backend: buffer<T> allocate
using without_parallel_for = with_backend<archetype<drop::parallel_for>>;  // error: fewstep::backend: void parallel_for
using without_for_each = with_backend<archetype<drop::for_each>>;          // error: fewstep::backend: void for_each
using without_sum = with_backend<archetype<drop::sum>>;                    // error: fewstep::backend: double sum
using without_sum_type = with_backend<archetype<drop::sum_type>>;          // error: fewstep::backend: double sum
using without_copy_to_host =
    with_backend<archetype<drop::copy_to_host>>;  // error: fewstep::backend: void copy_to_host or copy_to_device
using without_copy_to_device =
    with_backend<archetype<drop::copy_to_device>>;  // error: fewstep::backend: void copy_to_host or copy_to_device
using without_copy = with_backend<archetype<drop::copy>>;                // error: fewstep::backend: void copy\(
using without_synchronize = with_backend<archetype<drop::synchronize>>;  // error: fewstep::backend: void synchronize
