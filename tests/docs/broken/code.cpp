// SPDX-License-Identifier: Apache-2.0
int main() {
  //! [body]
  return 0;
  //! [body]
}
//! [open]
