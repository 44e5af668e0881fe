#pragma once

#include <string>
#include <utility>

#include "kernels/base/check.h"

namespace vox {

/// Another rank cannot go on, so this one, which waited for it in a collective call or came to one, cannot either. That
/// rank says why, once for all; what() names it for a log of this one.
class OtherRankFailed : public Error {
 public:
  OtherRankFailed(const std::string& message, std::string where) : Error(message, std::move(where)) {}
};

}  // namespace vox
