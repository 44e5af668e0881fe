#include "data/scoring/assignment.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "kernels/base/check.h"

namespace vox {
namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// Rectangular, rows <= columns, row-major costs: the column of each row at the least sum. One row after another is
/// brought in along a shortest augmenting path; potentials keep the reduced costs from being negative.
std::vector<std::int32_t> cheapest(std::int32_t rows, std::int32_t columns, const std::vector<double>& cost) {
  constexpr double kFar = std::numeric_limits<double>::infinity();
  std::vector<double> of_row(at(rows) + 1);
  std::vector<double> of_column(at(columns) + 1);
  std::vector<std::int32_t> row_of(at(columns) + 1);  // counted from 1; 0 is none, column 0 stands for the new row
  for (std::int32_t r = 1; r <= rows; ++r) {
    std::vector<double> slack(at(columns) + 1, kFar);
    std::vector<std::int32_t> before(at(columns) + 1);
    std::vector<char> done(at(columns) + 1);
    std::int32_t here = 0;
    row_of[0] = r;
    while (row_of[at(here)] != 0) {
      done[at(here)] = 1;
      const std::int32_t row = row_of[at(here)];
      double least = kFar;
      std::int32_t next = 0;
      for (std::int32_t c = 1; c <= columns; ++c) {
        if (done[at(c)] != 0) { continue; }
        const double reduced = cost[at(row - 1) * at(columns) + at(c - 1)] - of_row[at(row)] - of_column[at(c)];
        if (reduced < slack[at(c)]) {
          slack[at(c)] = reduced;
          before[at(c)] = here;
        }
        if (slack[at(c)] < least) {
          least = slack[at(c)];
          next = c;
        }
      }
      for (std::int32_t c = 0; c <= columns; ++c) {
        if (done[at(c)] != 0) {
          of_row[at(row_of[at(c)])] += least;
          of_column[at(c)] -= least;
        } else {
          slack[at(c)] -= least;
        }
      }
      here = next;
    }
    while (here != 0) {
      row_of[at(here)] = row_of[at(before[at(here)])];
      here = before[at(here)];
    }
  }
  std::vector<std::int32_t> column_of(at(rows), -1);
  for (std::int32_t c = 1; c <= columns; ++c) {
    if (row_of[at(c)] != 0) { column_of[at(row_of[at(c)] - 1)] = c - 1; }
  }
  return column_of;
}

/// Which part each row (first) and each column (after them) is in, by the smallest number in it.
std::vector<std::int32_t> parts(std::int32_t rows, std::int32_t columns, const std::vector<Candidate>& candidates) {
  std::vector<std::int32_t> parent(at(rows) + at(columns));
  std::iota(parent.begin(), parent.end(), 0);
  const auto root = [&](std::int32_t i) {
    while (parent[at(i)] != i) { i = parent[at(i)] = parent[at(parent[at(i)])]; }
    return i;
  };
  for (const Candidate& c : candidates) {
    const std::int32_t a = root(c.row);
    const std::int32_t b = root(rows + c.column);
    parent[at(std::max(a, b))] = std::min(a, b);
  }
  for (std::int32_t i = 0; i < std::ssize(parent); ++i) { parent[at(i)] = root(i); }
  return parent;
}

/// The candidates of one part, as a small dense problem; what cannot be matched costs 0, a match minus its worth.
void solve(const std::vector<Candidate>& part, std::vector<std::int32_t>& column_of) {
  std::vector<std::int32_t> rows;
  std::vector<std::int32_t> columns;
  for (const Candidate& c : part) {
    rows.push_back(c.row);
    columns.push_back(c.column);
  }
  for (auto* const list : {&rows, &columns}) {
    std::ranges::sort(*list);
    list->erase(std::unique(list->begin(), list->end()), list->end());
  }
  const bool turned = rows.size() > columns.size();
  const auto& few = turned ? columns : rows;
  const auto& many = turned ? rows : columns;
  const auto place = [](const std::vector<std::int32_t>& list, std::int32_t value) {
    return static_cast<std::size_t>(std::ranges::lower_bound(list, value) - list.begin());
  };
  std::vector<double> cost(few.size() * many.size());
  for (const Candidate& c : part) {
    cost[place(few, turned ? c.column : c.row) * many.size() + place(many, turned ? c.row : c.column)] = -c.worth;
  }
  const auto found = cheapest(static_cast<std::int32_t>(few.size()), static_cast<std::int32_t>(many.size()), cost);
  for (std::size_t k = 0; k < few.size(); ++k) {
    if (found[k] < 0 || cost[k * many.size() + at(found[k])] == 0) { continue; }
    const std::int32_t other = many[at(found[k])];
    column_of[at(turned ? other : few[k])] = turned ? few[k] : other;
  }
}

}  // namespace

std::vector<std::int32_t> best_assignment(std::int32_t rows, std::int32_t columns,
                                          const std::vector<Candidate>& candidates) {
  for (const Candidate& c : candidates) {
    VOX_CHECK(c.row >= 0 && c.row < rows && c.column >= 0 && c.column < columns && c.worth > 0,
              "best_assignment: row {} of {}, column {} of {}, worth {}", c.row, rows, c.column, columns, c.worth);
  }
  std::vector<std::int32_t> column_of(at(rows), -1);
  const std::vector<std::int32_t> part_of = parts(rows, columns, candidates);
  std::vector<Candidate> sorted = candidates;
  std::ranges::stable_sort(sorted, {}, [&](const Candidate& c) { return part_of[at(c.row)]; });
  for (auto first = sorted.begin(); first != sorted.end();) {
    const auto last = std::find_if(first, sorted.end(),
                                   [&](const Candidate& c) { return part_of[at(c.row)] != part_of[at(first->row)]; });
    solve({first, last}, column_of);
    first = last;
  }
  return column_of;
}

}  // namespace vox
