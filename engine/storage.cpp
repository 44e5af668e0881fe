#include "engine/storage.h"

#include "engine/allocator.h"

namespace vox {

Storage::Storage(std::size_t bytes, Device device) : bytes_(allocate(bytes, device), ReleaseBytes{device, bytes}) {}

void ReleaseBytes::operator()(std::byte* p) const noexcept { release(p, bytes, device); }

}  // namespace vox
