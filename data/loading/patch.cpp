#include "data/loading/patch.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "data/loading/shuffle.h"
#include "kernels/base/check.h"

namespace vox {
namespace {

/// The numbers of a sample, four a group. Each keeps its use whatever the others are for.
Philox4 numbers_of(const SampleKey& key, std::uint64_t group) {
  return random4({.seed = key.seed, .step = key.epoch, .place = kPlacePatch},
                 (std::uint64_t{key.position} << 32U) + group);
}
constexpr std::uint64_t kChoices = 0;  // foreground at all, class or region, position
constexpr std::uint64_t kStarts = 1;   // along D, H, W

std::int64_t below(std::int64_t n, std::uint32_t bits) {
  return static_cast<std::int64_t>(unit(bits) * static_cast<double>(n));
}

/// A voxel of the foreground (D,H,W) as a box of one; size 0 where there is none.
Box foreground_voxel(const PreparedFile& file, bool regions, const SampleKey& key) {
  std::vector<std::span<const std::int64_t>> sets;
  for (const Foreground f : regions ? kForegroundRegions : kForegroundClasses) {
    if (const auto p = file.positions(f); !p.empty()) { sets.push_back(p); }
  }
  if (sets.empty()) { return {}; }
  const Philox4 drawn = numbers_of(key, kChoices);
  const auto& positions = sets[static_cast<std::size_t>(below(std::ssize(sets), drawn.v[1]))];
  const std::int64_t voxel = positions[static_cast<std::size_t>(below(std::ssize(positions), drawn.v[2]))];
  const Extent3& size = file.info().mapping.size;
  VOX_CHECK_DATA(voxel >= 0 && voxel < size[0] * size[1] * size[2],
                 "{}: is a damaged prepared case: foreground at voxel {} of {}", file.file(), voxel,
                 size[0] * size[1] * size[2]);
  return {{voxel / (size[1] * size[2]), voxel / size[2] % size[1], voxel % size[2]}, {1, 1, 1}};
}

/// "3 of 20 cases WHAT: a, b, c"
void add_note(std::vector<std::string>& notes, const std::vector<std::string>& ids, std::size_t all, const char* what) {
  if (ids.empty()) { return; }
  constexpr std::size_t kNamed = 3;
  const std::span first(ids.data(), std::min(ids.size(), kNamed));
  notes.push_back(fmt::format("{} of {} cases {}: {}{}", ids.size(), all, what, fmt::join(first, ", "),
                              first.size() < ids.size() ? ", ..." : ""));
}

}  // namespace

void check_patch(const PatchOptions& o) {
  VOX_CHECK(std::ranges::min(o.size) >= 1, "patch: {} voxels, wants at least 1 along each axis",
            fmt::join(o.size, "x"));
  VOX_CHECK(o.foreground >= 0 && o.foreground <= 1, "patch: a share of {} with foreground, wants 0 to 1", o.foreground);
}

bool wants_foreground(const PatchOptions& o, std::int64_t batch, std::int64_t place_in_batch, const SampleKey& key) {
  if (batch == 1) { return unit(numbers_of(key, kChoices).v[0]) < o.foreground; }
  return static_cast<double>(place_in_batch) >= std::nearbyint(static_cast<double>(batch) * (1 - o.foreground));
}

Box draw_patch(const PreparedFile& file, const PatchOptions& o, const SampleKey& key, bool foreground) {
  const Extent3& size = file.info().mapping.size;
  const Box about = foreground ? foreground_voxel(file, o.regions, key) : Box{};
  const Philox4 drawn = numbers_of(key, kStarts);
  Box box{.start = {}, .size = o.size};
  for (std::size_t a = 0; a < 3; ++a) {
    const std::int64_t room = size[a] - o.size[a];
    if (room < 0) {
      box.start[a] = -(-room / 2);
    } else if (about.size[a] > 0) {
      box.start[a] = std::clamp<std::int64_t>(about.start[a] - o.size[a] / 2, 0, room);
    } else {
      box.start[a] = below(room + 1, drawn.v[a]);
    }
  }
  return box;
}

std::vector<std::string> patch_notes(std::span<const std::filesystem::path> files, const PatchOptions& o) {
  std::vector<std::string> small;
  std::vector<std::string> empty;
  for (const std::filesystem::path& path : files) {
    const PreparedFile file(path);
    const Extent3& size = file.info().mapping.size;
    if (size[0] < o.size[0] || size[1] < o.size[1] || size[2] < o.size[2]) { small.push_back(file.info().id); }
    if (file.positions(Foreground::whole_tumour).empty()) { empty.push_back(file.info().id); }
  }
  std::vector<std::string> notes;
  add_note(notes, small, files.size(), "are smaller than the patch, and 0 is put around them");
  add_note(notes, empty, files.size(), "hold no tumour, and their patches lie anywhere");
  return notes;
}

}  // namespace vox
