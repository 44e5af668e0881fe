#include "data/prepare/prepared_case.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/json.h"
#include "engine/json_text.h"
#include "kernels/base/check.h"

namespace vox {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFormat = "voxgrad prepared case 1";  // the number goes up when old readers would go wrong
constexpr const char* kClasses = "0 background, 1 necrotic and non-enhancing, 2 oedema, 3 enhancing";
constexpr const char* kSuffix = ".safetensors";

Metadata metadata_of(const PreparedInfo& info) {
  const Geometry& g = info.mapping.source;
  return {{"format", kFormat},
          {"id", info.id},
          {"recipe", std::string(name(info.recipe.kind))},
          {"modalities", modality_list(info.recipe.modalities)},
          {"size", std::to_string(info.recipe.size)},
          {"source_geometry", json_text(Json{{"size", g.size}, {"spacing_mm", g.spacing_mm}, {"affine", g.affine}})},
          {"crop_box", json_text(Json{{"start", info.mapping.box.start}, {"size", info.mapping.box.size}})},
          {"label_convention", info.labelled ? std::string(name(info.convention)) : "none"},
          {"classes", kClasses},
          {"sources", json_text(Json(info.sources))},
          {"source_hash", info.source_hash}};
}

PreparedInfo info_of(const SafetensorsFile& file) {
  PreparedInfo info;
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
  for (std::size_t a = 0; a < 3; ++a) {
    const Box& b = info.mapping.box;
    VOX_CHECK(b.start[a] >= 0 && b.size[a] >= 1 && b.start[a] <= g.size[a] - b.size[a],
              "crop_box {} from {} does not lie in {} voxels", b.size[a], b.start[a], g.size[a]);
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

void check_tensor(const SafetensorsFile& file, const std::string& tensor, FileDType dtype,
                  const std::vector<std::int64_t>& shape) {
  const TensorInFile& t = file.tensor(tensor);
  VOX_CHECK(t.dtype == dtype && t.shape == shape, "tensor '{}' is [{}] of {} bytes each, wants [{}] of {}", tensor,
            fmt::join(t.shape, ","), size_of(t.dtype), fmt::join(shape, ","), size_of(dtype));
  VOX_CHECK(reinterpret_cast<std::uintptr_t>(t.bytes.data()) % size_of(dtype) == 0, "tensor '{}' is not aligned",
            tensor);
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
  tensors.push_back({"image", FileDType::f32, image_shape(c.info), std::as_bytes(std::span(c.image))});
  if (c.info.labelled) {
    tensors.push_back({"label", FileDType::u8, label_shape(c.info), std::as_bytes(std::span(c.label))});
  }
  write_safetensors(path, tensors, metadata_of(c.info));
}

PreparedFile::PreparedFile(const fs::path& path) : file_(path.string()), tensors_(path) {
  const auto format = tensors_.metadata().find("format");
  VOX_CHECK_DATA(format != tensors_.metadata().end() && format->second == kFormat, "{}: is {}, wants a '{}'", file_,
                 format == tensors_.metadata().end() ? "a safetensors file of something else" : format->second,
                 kFormat);
  try {
    info_ = info_of(tensors_);
    check_tensor(tensors_, "image", FileDType::f32, image_shape(info_));
    if (info_.labelled) { check_tensor(tensors_, "label", FileDType::u8, label_shape(info_)); }
  } catch (const DataError&) { throw; } catch (const std::exception& e) {
    VOX_FAIL_DATA("{}: is a damaged prepared case: {}", file_, e.what());
  }
}

std::span<const float> PreparedFile::image() const {
  const std::span<const std::byte> bytes = tensors_.tensor("image").bytes;
  return {reinterpret_cast<const float*>(bytes.data()), bytes.size() / sizeof(float)};
}

std::span<const std::uint8_t> PreparedFile::label() const {
  VOX_CHECK_DATA(info_.labelled, "{}: the case has no labels, and training and scoring need them", file_);
  const std::span<const std::byte> bytes = tensors_.tensor("label").bytes;
  return {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
}

std::vector<fs::path> find_prepared_cases(const fs::path& cache) {
  VOX_CHECK_DATA(fs::is_directory(cache), "{}: is no folder, wants one that `voxgrad prepare` has filled",
                 cache.string());
  std::vector<fs::path> files;
  for (const fs::directory_entry& e : fs::directory_iterator(cache)) {
    if (e.path().extension() == kSuffix && e.path().filename().string().front() != '.') { files.push_back(e.path()); }
  }
  VOX_CHECK_DATA(!files.empty(), "{}: holds no prepared case (*{}): run `voxgrad prepare` first", cache.string(),
                 kSuffix);
  std::ranges::sort(files);
  return files;
}

void check_recipe(const PreparedInfo& info, const Recipe& wanted, const std::string& file) {
  const Recipe& r = info.recipe;
  VOX_CHECK_DATA(r.kind == wanted.kind && r.modalities == wanted.modalities && r.size == wanted.size,
                 "{}: was prepared with recipe {} ({}) at {} voxels, wants {} ({}) at {}", file, name(r.kind),
                 modality_list(r.modalities), r.size, name(wanted.kind), modality_list(wanted.modalities), wanted.size);
}

}  // namespace vox
