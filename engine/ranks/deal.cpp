#include "engine/ranks/deal.h"

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <memory>
#include <numeric>
#include <span>

namespace vox {

std::vector<std::string> gather(Communicator& ranks, const std::string& mine) {
  const auto n = static_cast<std::size_t>(ranks.size());
  const std::array<std::size_t, 1> size{mine.size()};
  std::vector<std::size_t> sizes(n);
  ranks.all_gather(std::as_bytes(std::span(size)), std::vector(n, sizeof(std::size_t)),
                   std::as_writable_bytes(std::span(sizes)));
  std::vector<char> together(std::accumulate(sizes.begin(), sizes.end(), std::size_t{0}));
  ranks.all_gather(std::as_bytes(std::span(mine)), sizes, std::as_writable_bytes(std::span(together)));
  std::vector<std::string> all;
  std::size_t at = 0;
  for (const std::size_t bytes : sizes) {
    all.emplace_back(together.data() + at, bytes);
    at += bytes;
  }
  return all;
}

Deal::Deal(Communicator& ranks, std::size_t cases) : ranks_(ranks), meeting_(ranks) {
  for (auto i = static_cast<std::size_t>(ranks.rank()); i < cases; i += static_cast<std::size_t>(ranks.size())) {
    mine_.push_back(i);
  }
}

Communicator& ranks_or_alone(Communicator* ranks) {
  static const std::unique_ptr<Communicator> one = alone();
  return ranks != nullptr ? *ranks : *one;
}

void check_same_on_ranks(Communicator& ranks, const std::string& text, const std::string& what) {
  if (ranks.size() == 1) { return; }
  const std::vector<std::string> all = gather(ranks, text);
  std::vector<std::size_t> others;
  for (std::size_t r = 0; r < all.size(); ++r) {
    if (all[r] != all[0]) { others.push_back(r); }
  }
  VOX_CHECK(others.empty(), "{}: other ones on {} {} than on rank 0; all ranks need the same files", what,
            others.size() == 1 ? "rank" : "ranks", fmt::join(others, ", "));
}

}  // namespace vox
