#include "data/prepare/prepared_case.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "data/cases/case_id.h"
#include "data/prepare/foreground.h"
#include "data/prepare/read_box.h"
#include "engine/json.h"
#include "engine/json_text.h"
#include "engine/read_file.h"
#include "kernels/base/bf16.h"
#include "kernels/base/check.h"
#include "kernels/base/size_product.h"

namespace vox {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFormat = "voxgrad prepared case 2";        // the number goes up when old readers would go wrong
constexpr const char* kFormatBefore = "voxgrad prepared case 1";  // cubes in f32, no positions of the foreground
constexpr const char* kClassMeanings = "0 background, 1 necrotic and non-enhancing, 2 oedema, 3 enhancing";
constexpr const char* kSuffix = ".safetensors";

Metadata metadata_of(const PreparedInfo& info) {
  const Geometry& g = info.mapping.source;
  return {{"format", kFormat},
          {"id", info.id},
          {"recipe", std::string(name(info.recipe.kind))},
          {"modalities", modality_list(info.recipe.modalities)},
          {"size", std::to_string(info.recipe.size)},
          {"recipe_spacing_mm", spacing_text(info.recipe.spacing_mm)},
          {"grid", json_text(Json(info.mapping.size))},
          {"source_geometry", json_text(Json{{"size", g.size}, {"spacing_mm", g.spacing_mm}, {"affine", g.affine}})},
          {"crop_box", json_text(Json{{"start", info.mapping.box.start}, {"size", info.mapping.box.size}})},
          {"label_convention", info.labelled ? std::string(name(info.convention)) : "none"},
          {"classes", kClassMeanings},
          {"sources", json_text(Json(info.sources))},
          {"source_hash", info.source_hash}};
}

/// Of a cache that somebody else made: the id becomes a file's name, and no product of the extents overflows.
void check_source(const std::string& id, const Geometry& g) {
  VOX_CHECK(is_case_id(id), "the id '{}' cannot be a file's name", id);
  VOX_CHECK(size_product(g.size, kMostVoxels), "a source of {} voxels", fmt::join(g.size, "x"));
  for (std::size_t a = 0; a < 3; ++a) {
    VOX_CHECK(g.size[a] >= 1, "a source of {} voxels along axis {}", g.size[a], a);
    VOX_CHECK(std::isfinite(g.spacing_mm[a]) && g.spacing_mm[a] > 0, "a source with voxels of {} mm along axis {}",
              g.spacing_mm[a], a);
  }
  VOX_CHECK(std::ranges::all_of(g.affine, [](double v) { return std::isfinite(v); }),
            "a source with an affine that is not finite");
}

PreparedInfo info_of(const SafetensorsFile& file) {
  PreparedInfo info;
  info.has_positions = file.meta("format") == kFormat;
  info.id = file.meta("id");
  info.recipe = recipe_named(file.meta("recipe"), Json::parse(file.meta("size")).get<std::int64_t>());
  VOX_CHECK(file.meta("modalities") == modality_list(info.recipe.modalities), "recipe {} with modalities {}, wants {}",
            name(info.recipe.kind), file.meta("modalities"), modality_list(info.recipe.modalities));
  const Json geometry = Json::parse(file.meta("source_geometry"));
  Geometry& g = info.mapping.source;
  g.size = geometry.at("size").get<std::array<std::int64_t, 3>>();
  g.spacing_mm = geometry.at("spacing_mm").get<std::array<double, 3>>();
  g.affine = geometry.at("affine").get<std::array<double, 12>>();
  const Json box = Json::parse(file.meta("crop_box"));
  info.mapping.box.start = box.at("start").get<Extent3>();
  info.mapping.box.size = box.at("size").get<Extent3>();
  info.mapping.size.fill(info.recipe.size);
  if (!is_cube(info.recipe)) {
    info.recipe.spacing_mm = spacing_named(file.meta("recipe_spacing_mm"));
    info.mapping.size = Json::parse(file.meta("grid")).get<Extent3>();
  }
  check_source(info.id, g);
  info.image_type = file.tensor("image").dtype == FileDType::bf16 ? FileDType::bf16 : FileDType::f32;
  for (std::size_t a = 0; a < 3; ++a) {
    const Box& b = info.mapping.box;
    VOX_CHECK(b.start[a] >= 0 && b.size[a] >= 1 && b.size[a] <= g.size[a] && b.start[a] <= g.size[a] - b.size[a],
              "crop_box {} from {} does not lie in {} voxels", b.size[a], b.start[a], g.size[a]);
    VOX_CHECK(info.mapping.size[a] >= 1, "a grid of {} voxels along axis {}", info.mapping.size[a], a);
  }
  info.labelled = file.meta("label_convention") != "none";
  if (info.labelled) {
    const auto convention = convention_named(file.meta("label_convention"));
    VOX_CHECK(convention, "label_convention '{}' is none of {}, none", file.meta("label_convention"),
              convention_names());
    info.convention = *convention;
  }
  info.sources = Json::parse(file.meta("sources")).get<std::vector<std::string>>();
  info.source_hash = file.meta("source_hash");
  return info;
}

template <class T> std::span<const T> values_of(const SafetensorsFile& file, const std::string& tensor) {
  const std::span<const std::byte> bytes = file.tensor(tensor).bytes;
  return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
}

void check_tensor(const SafetensorsFile& file, const std::string& tensor, FileDType dtype,
                  const std::vector<std::int64_t>& shape) {
  const TensorInFile& t = file.tensor(tensor);
  VOX_CHECK(t.dtype == dtype && t.shape == shape, "tensor '{}' is [{}] of {} bytes each, wants [{}] of {}", tensor,
            fmt::join(t.shape, ","), size_of(t.dtype), fmt::join(shape, ","), size_of(dtype));
  VOX_CHECK(reinterpret_cast<std::uintptr_t>(t.bytes.data()) % size_of(dtype) == 0, "tensor '{}' is not aligned",
            tensor);
}

std::string positions_name(Foreground f) { return fmt::format("foreground.{}", name(f)); }

void check_positions(const SafetensorsFile& file) {
  for (const Foreground f : kForegrounds) {
    const std::vector<std::int64_t>& shape = file.tensor(positions_name(f)).shape;
    VOX_CHECK(shape.size() == 1, "tensor '{}' has {} axes, wants 1", positions_name(f), shape.size());
    check_tensor(file, positions_name(f), FileDType::i64, shape);
  }
}

std::vector<std::int64_t> image_shape(const PreparedInfo& info) {
  const Extent3& s = info.mapping.size;
  return {std::ssize(info.recipe.modalities), s[0], s[1], s[2]};
}

std::vector<std::int64_t> label_shape(const PreparedInfo& info) {
  return {info.mapping.size.begin(), info.mapping.size.end()};
}

}  // namespace

void write_prepared_case(const fs::path& path, const PreparedCase& c) {
  std::vector<TensorToWrite> tensors;
  std::vector<Bf16> rounded;
  std::array<std::vector<std::int64_t>, kForegrounds.size()> positions;
  if (c.info.image_type == FileDType::bf16) {
    rounded.resize(c.image.size());
    std::ranges::transform(c.image, rounded.begin(), to_bf16);
  }
  tensors.push_back({"image", c.info.image_type, image_shape(c.info),
                     rounded.empty() ? std::as_bytes(std::span(c.image)) : std::as_bytes(std::span(rounded))});
  if (c.info.labelled) {
    tensors.push_back({"label", FileDType::u8, label_shape(c.info), std::as_bytes(std::span(c.label))});
    for (std::size_t f = 0; f < kForegrounds.size(); ++f) {
      positions[f] = foreground_positions(c.label, kForegrounds[f]);
      tensors.push_back({positions_name(kForegrounds[f]),
                         FileDType::i64,
                         {std::ssize(positions[f])},
                         std::as_bytes(std::span(positions[f]))});
    }
  }
  write_safetensors(path, tensors, metadata_of(c.info));
}

PreparedFile::PreparedFile(const fs::path& path) : file_(path.string()), tensors_(path) {
  const auto format = tensors_.metadata().find("format");
  VOX_CHECK_DATA(format != tensors_.metadata().end() && (format->second == kFormat || format->second == kFormatBefore),
                 "{}: is {}, wants a '{}'", file_,
                 format == tensors_.metadata().end() ? "a safetensors file of something else" : format->second,
                 kFormat);
  try {
    info_ = info_of(tensors_);
    check_tensor(tensors_, "image", info_.image_type, image_shape(info_));
    if (info_.labelled) { check_tensor(tensors_, "label", FileDType::u8, label_shape(info_)); }
    if (info_.labelled && info_.has_positions) { check_positions(tensors_); }
  } catch (const DataError&) { throw; } catch (const std::exception& e) {
    VOX_FAIL_DATA("{}: is a damaged prepared case: {}", file_, e.what());
  }
}

std::span<const float> PreparedFile::image(std::vector<float>& converted) const {
  if (info_.image_type == FileDType::f32) { return values_of<float>(tensors_, "image"); }
  const std::span<const Bf16> stored = values_of<Bf16>(tensors_, "image");
  converted.resize(stored.size());
  std::ranges::transform(stored, converted.begin(), to_float);
  return converted;
}

std::span<const std::uint8_t> PreparedFile::label() const {
  VOX_CHECK_DATA(info_.labelled, "{}: the case has no labels, and training and scoring need them", file_);
  return values_of<std::uint8_t>(tensors_, "label");
}

std::span<const std::int64_t> PreparedFile::positions(Foreground f) const {
  VOX_CHECK_DATA(info_.labelled, "{}: the case has no labels, and training and scoring need them", file_);
  VOX_CHECK_DATA(info_.has_positions,
                 "{}: holds no positions of its foreground, which patches want: an earlier version prepared it, "
                 "`voxgrad prepare` makes it anew",
                 file_);
  return values_of<std::int64_t>(tensors_, positions_name(f));
}

void PreparedFile::read(const Box& box, std::span<float> image, std::span<std::uint8_t> label) const {
  VOX_CHECK(std::ranges::min(box.size) >= 1, "read: a box of {} voxels", fmt::join(box.size, "x"));
  const auto voxels = static_cast<std::size_t>(box.size[0] * box.size[1] * box.size[2]);
  const std::size_t channels = info_.recipe.modalities.size();
  VOX_CHECK(image.size() == channels * voxels && label.size() == voxels,
            "read: image of {} values and label of {}, a box of {} wants {} and {}", image.size(), label.size(),
            fmt::join(box.size, "x"), channels * voxels, voxels);
  read_box(this->label(), info_.mapping.size, box, label, [](std::uint8_t c) { return c; });
  if (info_.image_type == FileDType::f32) {
    read_box(values_of<float>(tensors_, "image"), info_.mapping.size, box, image, [](float x) { return x; });
  } else {
    read_box(values_of<Bf16>(tensors_, "image"), info_.mapping.size, box, image, to_float);
  }
}

std::vector<fs::path> find_prepared_cases(const fs::path& cache) {
  VOX_CHECK_DATA(is_folder(cache), "{}: is no folder, wants one that `voxgrad prepare` has filled", cache.string());
  std::vector<fs::path> files;
  for (const fs::directory_entry& e : list_folder(cache)) {
    if (e.path().extension() == kSuffix && e.path().filename().string().front() != '.') { files.push_back(e.path()); }
  }
  VOX_CHECK_DATA(!files.empty(), "{}: holds no prepared case (*{}): run `voxgrad prepare` first", cache.string(),
                 kSuffix);
  std::ranges::sort(files);
  return files;
}

void check_recipe(const PreparedInfo& info, const Recipe& wanted, const std::string& file) {
  const Recipe& r = info.recipe;
  const bool same = r.kind == wanted.kind && r.modalities == wanted.modalities && r.size == wanted.size &&
                    r.spacing_mm == wanted.spacing_mm;
  VOX_CHECK_DATA(same, "{}: was prepared with recipe {} ({}), wants {} ({})", file, recipe_text(r),
                 modality_list(r.modalities), recipe_text(wanted), modality_list(wanted.modalities));
}

}  // namespace vox
