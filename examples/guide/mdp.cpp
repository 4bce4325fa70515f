// SPDX-License-Identifier: Apache-2.0
#include <fewstep/fewstep.hpp>

#include <cmath>
#include <cstdio>

int main() {
  //! [table]
  const fewstep::edm_consistency process{.sigma_data = 0.5f, .sigma_min = 0.002f, .sigma_max = 80.0f};
  const fewstep::step_table table = fewstep::consistency_sampler{}.table(process, 4);
  std::printf("x_0 has deviation %.0f\n k     time     next       a      b   sigma\n", table.initial_sigma);
  for (int k = 0; k < table.horizon(); ++k) {
    const fewstep::step_row& row = table.rows[static_cast<std::size_t>(k)];
    std::printf("%2d  %7.3f  %7.3f  %6.4f  %5.3f  %6.3f  %s\n", k, row.time, row.next_time, row.a, row.b, row.sigma,
                table.trains(k) ? "trained" : "not trained");
  }
  //! [table]

  //! [score]
  // One transition of a sample of one value: state x, network output o, and the draw z.
  const fewstep::step_row& row = table.rows[1];
  const float x = 7.0f, o = -0.3f, z = 1.5f;
  const float next = row.a * x + row.b * o + row.sigma * z;
  const double log_pi = fewstep::log_probability({&x, &next, &row}, &o, 1, fewstep::reduction::sum);
  const double by_hand = -z * z / 2.0 - std::log(row.sigma) - std::log(2 * 3.14159265358979) / 2;
  std::printf("log pi = %.3f, by hand %.3f\n", log_pi, by_hand);

  // The gradient at o of the loss -A rho, where rho = 1 and A = 2 here, and by hand: -A b z / sigma.
  float gradient = o;
  fewstep::score_transition({&x, &next, &row}, &gradient, 1, fewstep::reduction::sum, fewstep::clipped_surrogate{0.2f},
                            log_pi, 2.0f, 1, 1.0, {}, 0.0f);
  std::printf("gradient = %.3f, by hand %.3f\n", gradient, -2 * row.b * z / row.sigma);
  //! [score]
}
