#include "engine/storage.h"

#include "engine/allocator.h"
#include "engine/dry_run.h"

namespace vox {
namespace {

bool dry() { return DryRun::current() != nullptr; }

}  // namespace

Storage::Storage(std::size_t bytes, Device device)
    : bytes_(dry() ? DryRun::current()->allocate(bytes, device) : allocate(bytes, device),
             ReleaseBytes{device, bytes, dry()}) {}

void ReleaseBytes::operator()(std::byte* p) const noexcept {
  dry ? DryRun::release(p, bytes) : release(p, bytes, device);
}

}  // namespace vox
