#include "engine/ranks/case_tree.h"

#include <cmath>

#include "engine/context.h"
#include "engine/dispatch.h"
#include "engine/ranks/batch_share.h"
#include "kernels/base/check.h"
#include "kernels/sum_rows.h"
#include "tests/engine/op_case.h"
#include "tests/support/catch.h"
#include "tests/support/compare.h"
#include "tests/support/devices.h"

namespace vox::test {
namespace {

/// The sum of a node by the definition: its first half plus its second.
float tree_sum(const std::vector<float>& cases, std::int64_t first, std::int64_t size) {
  const std::int64_t whole = std::ssize(cases);
  if (size == 1) { return cases[static_cast<std::size_t>(first)]; }
  const float left = tree_sum(cases, first, size / 2);
  return first + size / 2 < whole ? left + tree_sum(cases, first + size / 2, size / 2) : left;
}

std::int64_t power_not_below(std::int64_t n) {
  std::int64_t size = 1;
  while (size < n) { size *= 2; }
  return size;
}

/// Rows [rows][count] added on a device.
std::vector<float> added(const std::vector<float>& rows, std::int64_t count, const std::vector<std::uint8_t>& merges,
                         Device device) {
  const Tensor x = Tensor::of<float>({std::ssize(rows)}, rows).to(device);
  Tensor y({count}, DType::f32, device);
  dispatch(device, DType::f32, [&]<class T>(auto& queue, TypeTag<T>) {
    sum_rows(queue, SumRowsArgs<T>{
                        .rows = std::ssize(merges), .x = x.values<T>(), .merges = merges, .y = y.mutable_values<T>()});
  });
  const Tensor back = y.to(Device::cpu);
  const auto values = back.values<float>();
  return {values.begin(), values.end()};
}

}  // namespace

TEST_CASE("shares are even, follow one another and leave out nobody", "[ranks]") {
  for (const int ranks : {1, 2, 3, 4, 5, 8}) {
    for (std::int64_t whole = 0; whole <= 17; ++whole) {
      std::int64_t next = 0;
      for (int r = 0; r < ranks; ++r) {
        const BatchShare share = share_of(whole, r, ranks);
        CHECK(share.first == next);
        CHECK((share.count == whole / ranks || share.count == whole / ranks + 1));
        CHECK(share.whole == whole);
        next += share.count;
      }
      CHECK(next == whole);
    }
  }
}

TEST_CASE("the nodes of a share are the fewest that make it up", "[ranks]") {
  using Nodes = std::vector<CaseRange>;
  CHECK(tree_nodes({0, 16}, 16) == Nodes{{0, 16}});
  CHECK(tree_nodes({4, 4}, 16) == Nodes{{4, 4}});
  CHECK(tree_nodes({2, 4}, 16) == Nodes{{2, 2}, {4, 2}});
  CHECK(tree_nodes({1, 6}, 8) == Nodes{{1, 1}, {2, 2}, {4, 2}, {6, 1}});
  CHECK(tree_nodes({8, 3}, 11) == Nodes{{8, 3}});  // the end of the batch cuts [8,16) off
  CHECK(tree_nodes({0, 11}, 11) == Nodes{{0, 11}});
  CHECK(tree_nodes({3, 0}, 11).empty());
}

TEST_CASE("rows of any ranks become the sum that the tree of cases is", "[ranks]") {
  for (std::int64_t whole = 1; whole <= 19; ++whole) {
    const std::vector<double> drawn = make_values(whole, 3);
    const std::vector<float> cases(drawn.begin(), drawn.end());
    const float wants = tree_sum(cases, 0, power_not_below(whole));
    for (const int ranks : {1, 2, 3, 4, 5, 8}) {
      std::vector<float> rows;
      std::vector<CaseRange> nodes;
      for (int r = 0; r < ranks; ++r) {
        const BatchShare share = share_of(whole, r, ranks);
        for (const CaseRange& node : tree_nodes({share.first, share.count}, whole)) {
          const std::vector<float> mine(cases.begin() + node.first, cases.begin() + node.first + node.count);
          rows.push_back(added(mine, 1, tree_merges(node, whole), Device::cpu)[0]);
          nodes.push_back(node);
        }
      }
      INFO(whole << " cases on " << ranks << " ranks");
      CHECK(added(rows, 1, tree_merges(nodes, whole), Device::cpu)[0] == wants);
    }
  }
}

TEST_CASE("rows of any length are added alike on every device", "[ranks][simt][cuda]") {
  VOX_EACH_KERNEL_DEVICE(device);
  for (const std::int64_t count : {1, 3, 4, 7, 513, 1025}) {
    for (const std::int64_t whole : {1, 2, 3, 5, 8, 13}) {
      const std::vector<double> drawn = make_values(whole * count, 5);
      const std::vector<float> rows(drawn.begin(), drawn.end());
      const std::vector<std::uint8_t> merges = tree_merges(CaseRange{0, whole}, whole);
      const std::vector<float> got = added(rows, count, merges, device);
      INFO(whole << " rows of " << count);
      CHECK(got == added(rows, count, merges, Device::cpu));
      for (std::int64_t e = 0; e < count; ++e) {
        std::vector<float> of_e;
        for (std::int64_t r = 0; r < whole; ++r) { of_e.push_back(rows[static_cast<std::size_t>(r * count + e)]); }
        REQUIRE(got[static_cast<std::size_t>(e)] == tree_sum(of_e, 0, power_not_below(whole)));
      }
    }
  }
}

TEST_CASE("rows that are no node are refused", "[ranks]") {
  const std::vector<CaseRange> gap{{0, 1}, {2, 1}};
  CHECK_THROWS_AS(tree_merges(gap, 4), Error);
  CHECK_THROWS_AS(tree_merges(CaseRange{1, 2}, 4), Error);
  CHECK_THROWS_AS(tree_merges(std::vector<CaseRange>{}, 4), Error);
}

}  // namespace vox::test
