#include <cstring>

#include "kernels/base/check.h"
#include "kernels/simt/asan.h"
#include "kernels/simt/runner.h"

/// The shared memory of a block: arrays with gaps between them, NaN when the block starts.
namespace vox::simt {
namespace {

constexpr std::size_t kGap = 64;
constexpr std::size_t kStaticLimit = 48 * 1024;

std::byte* place(Runner& r, const void* key, std::size_t bytes, std::size_t alignment, const char* name) {
  SharedMemory& s = r.shared;
  const std::size_t offset = (s.used + kGap + alignment - 1) / alignment * alignment;
  if (offset + bytes + kGap > kSharedArena) { return nullptr; }
  s.used = offset + bytes;
  s.bytes += bytes;
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
  s.used = s.bytes = 0;
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
  std::byte* data = place(r, key, bytes, alignment, name);
  if (data == nullptr || s.bytes > r.options.shared_limit_bytes || s.bytes - s.dynamic_bytes > kStaticLimit) {
    stop_block(Fault::limit, at, [&] {
      return fmt::format("{} bytes of shared memory, {} of them dynamic; a block has {}, of which {} static", s.bytes,
                         s.dynamic_bytes, r.options.shared_limit_bytes, kStaticLimit);
    });
  }
  return data;
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
