#include "kernels/base/check.h"
#include "kernels/cuda/nccl.h"

namespace vox::nccl {
namespace {

[[noreturn]] void not_built() {
  VOX_FAIL("NCCL asked for, but this program was built without it: configure with -DVOX_NCCL=ON and -DVOX_MPI=ON");
}

}  // namespace

bool built() noexcept { return false; }
std::string version() { return "not built in: configure with -DVOX_NCCL=ON, -DVOX_MPI=ON and a CUDA Toolkit"; }
Id unique_id() { not_built(); }
// NOLINTNEXTLINE(performance-unnecessary-value-param): the signature of the one that is built
Ranks::Ranks(const Id&, int, int, KeepOn) : rank_(0) { not_built(); }
Ranks::~Ranks() = default;
void Ranks::all_gather(std::span<const std::byte>, std::span<const std::size_t>, std::span<std::byte>, CUstream_st*) {}
void Ranks::all_to_all(std::span<const std::byte>, std::span<const std::size_t>, std::span<std::byte>,
                       std::span<const std::size_t>, CUstream_st*) {}
void Ranks::all_reduce(std::span<float>, CUstream_st*) {}
void Ranks::all_reduce(std::span<double>, CUstream_st*) {}
void Ranks::broadcast(std::span<std::byte>, int, CUstream_st*) {}
std::string Ranks::failure() { return {}; }
void Ranks::abort() noexcept {}

}  // namespace vox::nccl
