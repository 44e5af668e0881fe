#include "tools/run/step_digest.h"

#include <fmt/format.h>

#define XXH_INLINE_ALL  // NOLINT(readability-identifier-naming): xxhash's own name
#include <xxhash.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <new>
#include <span>

#include "engine/dispatch.h"
#include "kernels/base/check.h"

namespace vox {

DigestCadence digest_cadence(const TrainOptions& o, Device device, std::int64_t parameters) {
  constexpr std::int64_t kVoxelsFactor = 16;
  if (o.digest == "off") { return {.on = false, .every = 0}; }
  if (o.digest == "auto") {
    if (device != Device::cpu) { return {.on = true, .every = 0}; }
    const Extents e = step_extents(o);
    const std::int64_t voxels = std::max<std::int64_t>(kVoxelsFactor * o.batch * e[0] * e[1] * e[2], 1);
    return {.on = true, .every = (parameters + voxels - 1) / voxels};
  }
  DigestCadence c;
  const char* const end = o.digest.data() + o.digest.size();
  const auto parsed = std::from_chars(o.digest.data(), end, c.every);
  VOX_CHECK(parsed.ec == std::errc{} && parsed.ptr == end && c.every >= 1,
            "--digest is '{}', wants auto, off, or a number of steps from 1", o.digest);
  return c;
}

std::string step_digest(double loss, const UNet3d& net) {
  const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state(XXH3_createState(), &XXH3_freeState);
  if (!state) { throw std::bad_alloc(); }
  XXH3_64bits_reset(state.get());
  const auto add = [&](std::span<const std::byte> bytes) {
    XXH3_64bits_update(state.get(), bytes.data(), bytes.size());
  };
  add(std::as_bytes(std::span(&loss, 1)));
  for (const auto* const tensors : {&net.parameters(), &net.buffers()}) {
    for (const NamedTensor& t : *tensors) {
      const Tensor there = t.tensor.to(Device::cpu);
      dispatch_type(there.dtype(), [&]<class T>(TypeTag<T>) { add(std::as_bytes(there.values<T>())); });
    }
  }
  return fmt::format("{:016x}", XXH3_64bits_digest(state.get()));
}

}  // namespace vox
