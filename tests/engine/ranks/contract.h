#pragma once

#include "engine/ranks/communicator.h"

namespace vox::test {

/// What Communicator promises, tried by all ranks together: every call with ragged and empty pieces, duplicate() on two
/// threads at once, and, with `large`, pieces of some MiB. Throws Error saying which call gave what.
void check_contract(Communicator&, bool large);

}  // namespace vox::test
