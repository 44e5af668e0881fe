#include "model/warm_start.h"

#include <utility>

#include "engine/safetensors.h"
#include "kernels/base/check.h"
#include "model/stored_tensor.h"

namespace vox {

WarmStart warm_start(UNet3d& net, const std::filesystem::path& path) {
  const SafetensorsFile file(path);
  WarmStart result;
  std::vector<std::pair<Tensor, Tensor>> moves;  // all are checked before the first changes
  for (const auto* const all : {&net.parameters(), &net.buffers()}) {
    for (const NamedTensor& t : *all) {
      const TensorInFile* const stored = file.has(t.name) ? &file.tensor(t.name) : nullptr;
      const bool fits = stored != nullptr && (stored->dtype == FileDType::f32 || stored->dtype == FileDType::f64) &&
                        Shape{std::span<const std::int64_t>(stored->shape)} == t.tensor.shape();
      if (!fits) {
        result.left.push_back({.name = t.name,
                               .found = stored == nullptr ? "nothing" : text_of(*stored),
                               .wanted = t.tensor.shape().str()});
        continue;
      }
      moves.emplace_back(t.tensor, stored_tensor(file, path, t.name, t.tensor));
      result.taken.push_back(t.name);
    }
  }
  const std::string example = file.tensors().empty() ? "none" : "'" + file.tensors().begin()->first + "' and others";
  VOX_CHECK_DATA(!moves.empty(),
                 "{}: none of its tensors ({}) has the name and the shape of one of the network's, such as '{}' {}",
                 path.string(), example, result.left.front().name, result.left.front().wanted);
  for (auto& [to, from] : moves) { to.assign(from); }
  return result;
}

}  // namespace vox
