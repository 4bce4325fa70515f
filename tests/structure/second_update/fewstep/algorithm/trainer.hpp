// SPDX-License-Identifier: Apache-2.0
optimizer_.update(backend_, state_, arrays, scale);
