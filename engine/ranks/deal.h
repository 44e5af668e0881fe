#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "engine/ranks/communicator.h"
#include "engine/ranks/meeting.h"
#include "engine/ranks/message.h"

namespace vox {

// Work on many cases, a rank each its own, whose results do not depend on who did which.

/// What each rank gives, of any length, by rank. Collective; of a communicator over the host's memory.
[[nodiscard]] std::vector<std::string> gather(Communicator&, const std::string& mine);

/// Cases of a list, which is the same on every rank, dealt in turns: rank r does r, r + size(), r + 2 size(), ...
/// From its making, which is collective, to gather_results() or to its end the ranks may work for as long as they like.
class Deal {
 public:
  Deal(Communicator&, std::size_t cases);

  [[nodiscard]] const std::vector<std::size_t>& mine() const { return mine_; }  ///< ascending
  /// Asks all ranks to leave the cases that they have not begun; whoever sees stopped() does. So it is, too, where
  /// another rank has failed.
  void stop() { meeting_.stop(); }
  [[nodiscard]] bool stopped() const { return meeting_.stopped(); }

  /// Where there are no results to gather: returns when all ranks are done. Collective, once.
  void finish() { meeting_.finish(); }
  /// results[i] of the rank that did case i, on every rank. Collective, once. exchange(message, result) says what a
  /// result consists of (engine/ranks/message.h).
  template <class Result, class Exchange> void gather_results(std::vector<Result>& results, const Exchange& exchange) {
    meeting_.finish();
    if (ranks_.size() == 1) { return; }
    MessageWriter own;
    for (const std::size_t i : mine_) { exchange(own, results[i]); }
    const std::vector<std::string> all = gather(ranks_, own.bytes());
    for (std::size_t r = 0; r < all.size(); ++r) {
      MessageReader theirs(all[r]);
      for (std::size_t i = r; i < results.size(); i += all.size()) { exchange(theirs, results[i]); }
      VOX_CHECK(theirs.at_end(), "rank {} has sent results of more cases than there are", r);
    }
  }

 private:
  Communicator& ranks_;
  std::vector<std::size_t> mine_;
  Meeting meeting_;
};

/// These ranks, or one alone where there are none.
[[nodiscard]] Communicator& ranks_or_alone(Communicator*);

/// Throws Error naming the ranks unless all give the same text, such as the list of cases that they found: a folder
/// that is not shared, or is being filled. Collective.
void check_same_on_ranks(Communicator&, const std::string& text, const std::string& what);

}  // namespace vox
