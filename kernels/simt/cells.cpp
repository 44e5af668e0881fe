#include "kernels/simt/cells.h"

#include <sys/mman.h>

#include <algorithm>

#include "kernels/base/check.h"

namespace vox::simt {
namespace {

constexpr std::size_t kStamps = 4;  // of a cell
constexpr std::size_t kBytesOfCell = kStamps * sizeof(Stamp) + 1;

}  // namespace

void give_back(const void* p, std::size_t bytes) {
  constexpr std::uintptr_t kPage = 4096;
  const auto begin = (reinterpret_cast<std::uintptr_t>(p) + kPage - 1) / kPage * kPage;
  const auto end = (reinterpret_cast<std::uintptr_t>(p) + bytes) / kPage * kPage;
  if (end > begin) { madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED); }
}

void make_shadow(Shadow& s) {
  const std::size_t count = cell_count(s.bytes);
  void* p =
      mmap(nullptr, count * kBytesOfCell, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) { fail<MemoryError>(__FILE__, __LINE__, "simt: no addresses for the cells of checked memory"); }
  auto* stamps = static_cast<Stamp*>(p);
  s.cells = {reinterpret_cast<std::uint8_t*>(stamps + kStamps * count), stamps, stamps + count, stamps + 2 * count,
             stamps + 3 * count};
}

void release_shadow(Shadow& s) {
  if (s.cells.write != nullptr) { munmap(s.cells.write, cell_count(s.bytes) * kBytesOfCell); }
  s = {};
}

void set_state(const Shadow& s, const void* p, std::size_t bytes, std::uint8_t state) {
  std::fill_n(s.at(p).state, cell_count(bytes), state);
}

void drop_stamps(const Shadow& s, const void* p, std::size_t bytes) {
  const Cells c = s.at(p);
  for (Stamp* stamps : {c.write, c.read, c.second_read, c.atomic}) {
    give_back(stamps, cell_count(bytes) * sizeof(Stamp));
  }
}

}  // namespace vox::simt
