#include "tools/run/label_volumes.h"

#include <array>
#include <vector>

#include "data/prepare/prepared_case.h"
#include "kernels/base/parallel.h"

namespace vox {
namespace {

Json volumes_of(const std::filesystem::path& path, std::string_view set) {
  const PreparedFile file(path);
  const PreparedInfo& info = file.info();
  std::array<double, 3> spacing{};
  double voxel_ml = 1e-3;
  for (std::size_t k = 0; k < 3; ++k) {
    spacing[k] = info.mapping.source.spacing_mm[k] * static_cast<double>(info.mapping.box.size[k]) /
                 static_cast<double>(info.mapping.size[k]);
    voxel_ml *= spacing[k];
  }
  Json one{{"id", info.id}, {"set", set}, {"size", info.mapping.size}, {"spacing_mm", spacing}};
  if (!info.labelled) { return one; }
  std::array<std::int64_t, 256> counts{};
  for (const std::uint8_t cls : file.label()) { ++counts[cls]; }
  const auto ml = [&](std::int64_t voxels) { return voxel_ml * static_cast<double>(voxels); };
  one["ml"] = {{"necrotic", ml(counts[1])},
               {"oedema", ml(counts[2])},
               {"enhancing", ml(counts[3])},
               {"whole tumour", ml(counts[1] + counts[2] + counts[3])}};
  return one;
}

}  // namespace

Json label_volumes(std::span<const std::filesystem::path> files, std::string_view set, int threads) {
  std::vector<Json> cases(files.size());
  parallel_for(threads, std::ssize(files), [&](std::int64_t i) {
    const auto at = static_cast<std::size_t>(i);
    cases[at] = volumes_of(files[at], set);
  });
  return cases;
}

}  // namespace vox
