#pragma once

#include <string>
#include <utility>

#include "kernels/base/check.h"

namespace vox {

/// Another rank cannot go on, so this one, which waits for it in a collective call or comes to one, cannot either. That
/// rank says why, once for all.
class OtherRankFailed : public Error {
 public:
  OtherRankFailed(const std::string& message, std::string where) : Error(message, std::move(where)) {}
};

/// Another rank does not come to a collective call within the time limit, or the connection to it is lost: it has
/// stopped, hangs, or its node is gone. The program exits kRankLostCode.
class RankLost : public Error {
 public:
  using Error::Error;
};

inline constexpr int kRankLostCode = 6;

}  // namespace vox
