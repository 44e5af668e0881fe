#include <cstring>

#include "kernels/base/check.h"
#include "kernels/simt/asan.h"
#include "kernels/simt/runner.h"

/// The shared memory of a block: arrays with gaps between them, NaN when the block starts.
namespace vox::simt {
namespace {

constexpr std::size_t kGap = 64;

std::byte* place(Runner& r, const void* key, std::size_t bytes, std::size_t alignment, const char* name) {
  SharedMemory& s = r.shared;
  const std::size_t offset = (s.used + kGap + alignment - 1) / alignment * alignment;
  VOX_CHECK(offset + bytes + kGap <= kSharedArena, "simt: no room for {}", name);
  s.used = offset + bytes;
  std::byte* data = s.arena + offset;
  s.arrays.push_back({key, data, bytes, name});
  unpoison(data, bytes);
  std::memset(data, 0xFF, bytes);
  if constexpr (kChecked) { shadow_allocate_shared(r, data, bytes); }
  return data;
}

}  // namespace

bool SharedMemory::holds(const void* p) const {
  const auto* byte = static_cast<const std::byte*>(p);
  return byte >= arena && byte < arena + kSharedArena;
}

void start_shared(Runner& r, std::size_t dynamic_bytes) {
  SharedMemory& s = r.shared;
  s.arrays.clear();
  s.used = s.static_bytes = 0;
  s.dynamic = nullptr;
  s.dynamic_bytes = dynamic_bytes;
  poison(s.arena, kSharedArena);
  if (dynamic_bytes != 0) { s.dynamic = place(r, nullptr, dynamic_bytes, 1024, "dynamic shared memory"); }
}

void* shared_array(const void* key, std::size_t bytes, std::size_t alignment, const char* name, Site at) {
  Runner& r = runner();
  SharedMemory& s = r.shared;
  for (const SharedArray& a : s.arrays) {
    if (a.key == key) { return a.data; }
  }
  s.static_bytes = (s.static_bytes + alignment - 1) / alignment * alignment + bytes;
  const auto excess = [&] { return shared_excess(s.static_bytes, s.dynamic_bytes, r.options.shared_limit_bytes); };
  if (!excess().empty()) { stop_block(Fault::limit, at, excess); }
  return place(r, key, bytes, alignment, name);
}

std::string shared_excess(std::size_t static_bytes, std::size_t dynamic_bytes, std::size_t limit_bytes) {
  const std::size_t both = static_bytes + dynamic_bytes;
  if (static_bytes > kSharedUnasked) {
    return fmt::format("{} bytes of static shared memory, a kernel may have {}", static_bytes, kSharedUnasked);
  }
  if (both > limit_bytes) {
    return fmt::format("{} bytes of shared memory, {} of them dynamic: a block has {}", both, dynamic_bytes,
                       limit_bytes);
  }
  if (both > kSharedUnasked && !asks_for_shared(dynamic_bytes)) {
    return fmt::format(
        "{} bytes of shared memory, {} of them dynamic: so few are not asked for, and without a block has {}", both,
        dynamic_bytes, kSharedUnasked);
  }
  return {};
}

void* shared_dynamic() { return runner().shared.dynamic; }

std::string describe_shared(const SharedMemory& s, const void* p) {
  const SharedArray* best = nullptr;
  for (const SharedArray& a : s.arrays) {
    if (a.data <= p && (best == nullptr || a.data > best->data)) { best = &a; }
  }
  if (best == nullptr) { return "shared memory before the first array"; }
  return fmt::format("{} + {} (the array has {} bytes)", best->name, static_cast<const std::byte*>(p) - best->data,
                     best->bytes);
}

}  // namespace vox::simt
