#pragma once

#include <cstdint>
#include <vector>

namespace vox {

/// A pair that may be matched, and what that is worth (> 0).
struct Candidate {
  std::int32_t row = 0;
  std::int32_t column = 0;
  double worth = 0;
};

/// The one-to-one matching of rows and columns that is worth most in sum: for each row its column, or -1. Rows and
/// columns that are no candidates of each other are never matched. Exact: shortest augmenting paths (H. Kuhn, "The
/// Hungarian method", 1955; R. Jonker, A. Volgenant, Computing 1987), on each connected part of the candidates by
/// itself. Of several equally good matchings one, always the same.
[[nodiscard]] std::vector<std::int32_t> best_assignment(std::int32_t rows, std::int32_t columns,
                                                        const std::vector<Candidate>&);

}  // namespace vox
