#include "tools/run/largest_extents.h"

#include <algorithm>
#include <vector>

#include "data/prepare/prepared_case.h"
#include "kernels/base/check.h"

namespace vox {
namespace {

/// All that are tried, the largest first.
std::vector<Extents> candidates(const Extents& shape, std::int64_t divisor) {
  Extents e{};
  for (std::size_t a = 0; a < e.size(); ++a) { e[a] = (shape[a] + divisor - 1) / divisor * divisor; }
  std::vector<Extents> all{e};
  for (;;) {
    std::size_t longest = e.size();
    for (std::size_t a = 0; a < e.size(); ++a) {
      // e[a] / shape[a] > e[longest] / shape[longest], in whole numbers
      if (e[a] > divisor && (longest == e.size() || e[a] * shape[longest] > e[longest] * shape[a])) { longest = a; }
    }
    if (longest == e.size()) { return all; }
    e[longest] -= divisor;
    all.push_back(e);
  }
}

}  // namespace

std::optional<Extents> largest_extents(const Extents& shape, std::int64_t divisor,
                                       const std::function<bool(const Extents&)>& fits) {
  VOX_CHECK(std::ranges::min(shape) >= 1 && divisor >= 1, "largest_extents: of {} in steps of {}", extents_text(shape),
            divisor);
  const std::vector<Extents> all = candidates(shape, divisor);
  const auto first = std::ranges::partition_point(all, [&](const Extents& e) { return !fits(e); });
  return first == all.end() ? std::nullopt : std::optional(*first);
}

Extents median_extents(std::span<const std::filesystem::path> files) {
  VOX_CHECK(!files.empty(), "median_extents: of no cases");
  std::vector<Extents> sizes;
  for (const auto& file : files) { sizes.push_back(PreparedFile(file).info().mapping.size); }
  Extents median{};
  for (std::size_t a = 0; a < median.size(); ++a) {
    const auto middle = sizes.begin() + (std::ssize(sizes) - 1) / 2;
    std::ranges::nth_element(sizes, middle, {}, [a](const Extents& e) { return e[a]; });
    median[a] = (*middle)[a];
  }
  return median;
}

}  // namespace vox
