#include "kernels/cuda/nccl.h"
#include "engine/ranks/job.h"
#include "kernels/cuda/runtime.h"
#include "tests/support/catch.h"

namespace vox {
namespace {

using test::ContainsSubstring;

TEST_CASE("NCCL says why it cannot be used here", "[ranks]") {
  if (!nccl::built()) {
    CHECK_THROWS_WITH(nccl::unique_id(), ContainsSubstring("built without it: configure with -DVOX_NCCL=ON"));
    CHECK_THROWS_WITH(nccl::Ranks({}, 0, 2, [] {}), ContainsSubstring("built without it"));
    CHECK(nccl_version().starts_with("not built in"));
    return;
  }
  CHECK(nccl_version().starts_with("2."));
  if (!cuda::devices().empty()) { return; }
  CHECK_THROWS_WITH(nccl::unique_id(), ContainsSubstring("no NVIDIA GPU"));
  CHECK_THROWS_WITH(nccl::Ranks({}, 0, 2, [] {}), ContainsSubstring("ncclCommInitRankConfig: "));
}

}  // namespace
}  // namespace vox
