#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "engine/ranks/communicator.h"
#include "engine/ranks/message.h"

namespace vox {

// Work on many cases, a rank each its own, whose results do not depend on who did which.

/// What each rank gives, of any length, by rank. Collective; of a communicator over the host's memory.
[[nodiscard]] std::vector<std::string> gather(Communicator&, const std::string& mine);

/// Whether it is so on some rank. Collective, as gather() is.
[[nodiscard]] bool on_any_rank(Communicator&, bool here);

/// Cases of a list, which is the same on every rank, dealt in turns: rank r does r, r + size(), r + 2 size(), ...
class Deal {
 public:
  Deal(const Communicator& ranks, std::size_t cases);

  [[nodiscard]] const std::vector<std::size_t>& mine() const { return mine_; }  ///< ascending
  [[nodiscard]] std::size_t cases() const { return cases_; }

  /// results[i] of the rank that did case i, on every rank. Collective. exchange(message, result) says what a result
  /// consists of (engine/ranks/message.h).
  template <class Result, class Exchange>
  void gather_results(Communicator& ranks, std::vector<Result>& results, const Exchange& exchange) const {
    if (ranks.size() == 1) { return; }
    MessageWriter own;
    for (const std::size_t i : mine_) { exchange(own, results[i]); }
    const std::vector<std::string> all = gather(ranks, own.bytes());
    for (int r = 0; r < ranks.size(); ++r) {
      MessageReader theirs(all[static_cast<std::size_t>(r)]);
      for (auto i = static_cast<std::size_t>(r); i < cases_; i += all.size()) { exchange(theirs, results[i]); }
      VOX_CHECK(theirs.at_end(), "rank {} has sent more results than {} cases have", r, cases_);
    }
  }

 private:
  std::vector<std::size_t> mine_;
  std::size_t cases_;
};

/// These ranks, or one alone where there are none.
[[nodiscard]] Communicator& ranks_or_alone(Communicator*);

/// Throws Error naming the ranks unless all give the same text, such as the list of cases that they found: a folder
/// that is not shared, or is being filled. Collective.
void check_same_on_ranks(Communicator&, const std::string& text, const std::string& what);

}  // namespace vox
