// SPDX-License-Identifier: Apache-2.0
#pragma once

/// Preconditionings: the concept, and its models for networks as they are published. generator/rescaled.hpp has other
/// processes for a network of EDM's.

#include <fewstep/generator/edm.hpp>
#include <fewstep/generator/epsilon_prediction.hpp>
#include <fewstep/generator/flow_matching.hpp>
#include <fewstep/generator/lcm.hpp>
#include <fewstep/generator/preconditioning_concept.hpp>
#include <fewstep/generator/velocity_prediction.hpp>
