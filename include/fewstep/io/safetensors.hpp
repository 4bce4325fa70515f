// SPDX-License-Identifier: Apache-2.0
#pragma once

/// Safetensors files, read and written.

#include <fewstep/io/element_type.hpp>
#include <fewstep/io/safetensors_file.hpp>
#include <fewstep/io/safetensors_writer.hpp>
