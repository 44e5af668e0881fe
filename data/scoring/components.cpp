#include "data/scoring/components.h"

#include <algorithm>
#include <limits>

#include "kernels/base/check.h"

namespace vox {
namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// Sets of provisional numbers; the root of a set is its smallest.
class Sets {
 public:
  std::int32_t add() {
    parent_.push_back(static_cast<std::int32_t>(parent_.size()));
    return parent_.back();
  }
  std::int32_t root(std::int32_t i) {
    while (parent_[at(i)] != i) {
      parent_[at(i)] = parent_[at(parent_[at(i)])];
      i = parent_[at(i)];
    }
    return i;
  }
  std::int32_t join(std::int32_t a, std::int32_t b) {
    a = root(a);
    b = root(b);
    if (b < a) { std::swap(a, b); }
    parent_[at(b)] = a;
    return a;
  }
  [[nodiscard]] std::size_t size() const { return parent_.size(); }

 private:
  std::vector<std::int32_t> parent_;
};

/// Voxels of one row next to each other: [from, to).
struct Run {
  std::int64_t from;
  std::int64_t to;
  std::int32_t number;  ///< provisional
};

/// A row that lies before another in memory, and how far along W a voxel there may be to be a neighbour.
struct RowBefore {
  std::int64_t d;
  std::int64_t h;
  std::int64_t reach;
};

std::vector<RowBefore> rows_before(Connectivity connectivity) {
  switch (connectivity) {
    case Connectivity::faces:
      return {{-1, 0, 0}, {0, -1, 0}};
    case Connectivity::edges:
      return {{-1, -1, 0}, {-1, 0, 1}, {-1, 1, 0}, {0, -1, 1}};
    case Connectivity::corners:
      return {{-1, -1, 1}, {-1, 0, 1}, {-1, 1, 1}, {0, -1, 1}};
  }
  VOX_FAIL("components: unknown connectivity");
}

/// Appends the runs of a row.
void find_runs(const std::uint8_t* row, std::int64_t width, std::vector<Run>& runs) {
  const std::uint8_t* const end = row + width;
  const std::uint8_t* to = row;
  for (;;) {
    const std::uint8_t* const from = std::find_if(to, end, [](std::uint8_t v) { return v != 0; });
    if (from == end) { return; }
    to = std::find(from, end, std::uint8_t{0});
    runs.push_back({.from = from - row, .to = to - row, .number = 0});
  }
}

/// Joins the runs of a row with those that touch them in a row before. Both are sorted.
void join_rows(std::span<Run> here, std::span<const Run> before, std::int64_t reach, Sets& sets) {
  auto first = before.begin();
  for (Run& run : here) {
    while (first != before.end() && first->to + reach <= run.from) { ++first; }
    for (auto other = first; other != before.end() && other->from < run.to + reach; ++other) {
      run.number = run.number == 0 ? sets.root(other->number) : sets.join(run.number, other->number);
    }
  }
}

}  // namespace

Components connected_components(std::span<const std::uint8_t> mask, const Extent3& size, Connectivity connectivity) {
  const std::int64_t voxels = size[0] * size[1] * size[2];
  VOX_CHECK(std::ssize(mask) == voxels && voxels < std::numeric_limits<std::int32_t>::max(),
            "components: a mask of {} voxels for a volume of {}x{}x{}", mask.size(), size[0], size[1], size[2]);
  const std::vector<RowBefore> before = rows_before(connectivity);
  Components c{.of_voxel = std::vector<std::int32_t>(mask.size()), .voxels = {}};
  Sets sets;
  static_cast<void>(sets.add());  // 0: outside
  std::vector<Run> runs;
  std::vector<std::size_t> begins{0};  // of each row's runs, and of the next row's
  for (std::int64_t d = 0; d < size[0]; ++d) {
    for (std::int64_t h = 0; h < size[1]; ++h) {
      const std::int64_t row = d * size[1] + h;
      find_runs(mask.data() + row * size[2], size[2], runs);
      begins.push_back(runs.size());
      const auto of_row = [&](std::int64_t r) {
        return std::span(runs).subspan(begins[at(r)], begins[at(r) + 1] - begins[at(r)]);
      };
      if (of_row(row).empty()) { continue; }
      for (const RowBefore& b : before) {
        if (d + b.d < 0 || h + b.h < 0 || h + b.h >= size[1]) { continue; }
        join_rows(of_row(row), of_row(row + b.d * size[1] + b.h), b.reach, sets);
      }
      for (Run& run : of_row(row)) {
        if (run.number == 0) { run.number = sets.add(); }
      }
    }
  }
  std::vector<std::int32_t> numbers(sets.size());
  for (std::int64_t row = 0; row < size[0] * size[1]; ++row) {
    for (std::size_t k = begins[at(row)]; k < begins[at(row) + 1]; ++k) {
      const Run& run = runs[k];
      std::int32_t& known = numbers[at(sets.root(run.number))];
      if (known == 0) {
        c.voxels.push_back(0);
        known = static_cast<std::int32_t>(c.voxels.size());
      }
      const auto place = c.of_voxel.begin() + row * size[2];
      std::fill(place + run.from, place + run.to, known);
      c.voxels[at(known - 1)] += run.to - run.from;
    }
  }
  return c;
}

}  // namespace vox
