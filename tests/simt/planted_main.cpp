#include <fmt/core.h>

#include <string>

#include "kernels/base/check.h"
#include "kernels/simt/options.h"
#include "tests/simt/planted_cases.h"

/// vox_simt_planted_*                        lists the cases: kernel, number of the bug (0: none), what it is
/// vox_simt_planted_* KERNEL BUG [ORDER]     runs one. Exit code 0: nothing noticed, 10: wrong values, 11: the executor
///                                           threw, others: AddressSanitizer or UBSan; 2: no such case
namespace {

int run(const vox::planted::Case& c) {
  try {
    if (c.run()) { return 0; }
    fmt::print("wrong-values\n");
    return 10;
  } catch (const vox::Error& e) {
    fmt::print("{}\n", e.what());
    return 11;
  }
}

}  // namespace

int main(int argc, char** argv) {
  using vox::simt::Order;
  auto all = vox::planted::matrix_cases();
  for (const auto& c : vox::planted::thread_cases()) { all.push_back(c); }
  if (argc < 3) {
    for (const auto& c : all) { fmt::print("{} {} {}\n", c.kernel, c.bug, c.what); }
    return 0;
  }
  const std::string order = argc > 3 ? argv[3] : "forward";
  vox::simt::options().order = order == "reverse" ? Order::reverse : order == "random" ? Order::random : Order::forward;
  vox::simt::options().seed = 7;
  for (const auto& c : all) {
    if (std::string(argv[1]) == c.kernel && std::to_string(c.bug) == argv[2]) { return run(c); }
  }
  return 2;
}
