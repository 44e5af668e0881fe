#include "engine/device_memory.h"

#include <cstring>

#include "engine/context.h"
#include "engine/dry_run.h"
#include "kernels/base/check.h"
#include "kernels/cuda/runtime.h"
#include "kernels/simt/memory.h"

namespace vox {

void copy_bytes(std::byte* to, Device to_device, const std::byte* from, Device from_device, std::size_t bytes) {
  if (bytes == 0 || DryRun::current() != nullptr) { return; }
  VOX_CHECK(to_device == Device::cpu || from_device == Device::cpu || to_device == from_device,
            "copy: from {} to {} wants a stop on the cpu", name(from_device), name(to_device));
  const Device there = to_device == Device::cpu ? from_device : to_device;
  switch (there) {
    case Device::cpu:
      std::memcpy(to, from, bytes);
      return;
    case Device::cuda:
      to_device == from_device ? cuda::copy_async(to, from, bytes, cuda_queue().stream)
                               : cuda::copy(to, from, bytes, cuda_queue().stream);
      return;
    case Device::simt:
      if (to_device == from_device) { return simt_device::copy_within(to, from, bytes); }
      to_device == Device::cpu ? simt_device::copy_out(to, from, bytes) : simt_device::copy_in(to, from, bytes);
      return;
  }
}

void zero_bytes(std::byte* p, Device device, std::size_t bytes) {
  if (bytes == 0 || DryRun::current() != nullptr) { return; }
  switch (device) {
    case Device::cpu:
      std::memset(p, 0, bytes);
      return;
    case Device::cuda:
      cuda::fill(p, 0, bytes, cuda_queue().stream);
      return;
    case Device::simt:
      simt_device::fill_zero(p, bytes);
      return;
  }
}

}  // namespace vox
