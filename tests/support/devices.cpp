#include "tests/support/devices.h"

#include <array>
#include <cstdlib>

#include "engine/context.h"
#include "kernels/cuda/runtime.h"
#include "tests/support/catch.h"

namespace vox::test {

const std::vector<Device>& kernel_devices() {
  static const std::vector<Device> found = [] {
    const char* const asked = std::getenv("VOXGRAD_TEST_DEVICE");  // NOLINT(concurrency-mt-unsafe)
    if (asked != nullptr && *asked != '\0') { return std::vector{select_device(asked)}; }
    std::vector<Device> all{Device::simt};
    if (!cuda::devices().empty()) { all.push_back(select_device("cuda")); }
    return all;
  }();
  return found;
}

std::span<const DType> dtypes_on(Isa isa) {
  static constexpr std::array kAll{DType::f64, DType::f32, DType::bf16};
  return isa == Isa::baseline ? std::span(kAll) : std::span(kAll).subspan(1);
}

TEST_CASE("the kernels run on a GPU", "[cuda]") {
  if (cuda::devices().empty()) {
    WARN("skipped: " << (cuda::built() ? "no GPU" : "built without CUDA"));
    return;
  }
  CHECK_THAT(describe(select_device("cuda")), Catch::Matchers::StartsWith("cuda: "));
}

}  // namespace vox::test
