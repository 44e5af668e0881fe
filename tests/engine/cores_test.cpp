#include "engine/ranks/cores.h"

#include <vector>

#include "engine/context.h"
#include "engine/memory_limits.h"
#include "tests/support/catch.h"

namespace {

vox::CoreSet cores(std::size_t first, std::size_t count) {
  vox::CoreSet set;
  for (std::size_t c = first; c < first + count; ++c) { set[c] = true; }
  return set;
}

std::vector<int> shares(const std::vector<vox::CoreSet>& ranks) {
  std::vector<int> all;
  for (std::size_t r = 0; r < ranks.size(); ++r) { all.push_back(vox::share_of_cores(ranks, r)); }
  return all;
}

}  // namespace

TEST_CASE("ranks share the cores of their machine") {
  CHECK(shares({cores(0, 8)}) == std::vector{8});
  CHECK(shares({cores(0, 8), cores(0, 8), cores(0, 8)}) == std::vector{2, 2, 2});  // not bound: 8 / 3
  CHECK(shares({cores(0, 1), cores(1, 1)}) == std::vector{1, 1});                  // bound to a core each
  CHECK(shares({cores(0, 6), cores(0, 6), cores(0, 6)}) == std::vector{2, 2, 2});  // thirds add up to cores
  CHECK(shares({cores(0, 8), cores(0, 8), cores(8, 8), cores(8, 8)}) == std::vector{4, 4, 4, 4});  // bound to sockets
  CHECK(shares({cores(0, 2), cores(0, 2), cores(0, 2), cores(0, 2)}) == std::vector{1, 1, 1, 1});  // more than cores
  CHECK(shares({cores(0, 4), cores(2, 4)}) == std::vector{3, 3});  // two cores are common
  CHECK(shares({cores(0, 0)}) == std::vector{1});                  // the system does not say
}

TEST_CASE("one rank has every core of the process") {
  CHECK(vox::hardware_threads() == static_cast<int>(vox::cores_of_process().count()));
}
