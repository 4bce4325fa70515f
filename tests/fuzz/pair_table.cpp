// SPDX-License-Identifier: Apache-2.0
// A CSV file of pairs of pictures.
#include "fuzz.hpp"
#include "input_folder.hpp"

#include <fewstep/pair_file/pair_table.hpp>

FEWSTEP_FUZZ(bytes) {
  static const fewstep::fuzz::input_folder folder;
  const auto table = fewstep::pair_table::load(folder.put("pairs.csv", bytes));
  fewstep::fuzz::require(table.pairs() > 0 && table.labels().size() % table.pairs() == 0, "labels that are not whole");
  (void)table.member(table.pairs() - 1, 1);
  (void)table.prompt(table.pairs() - 1);
}
