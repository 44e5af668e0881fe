#include "tools/interchange/nnunet_plan.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <iterator>
#include <map>

#include "data/cases/regions.h"
#include "engine/read_file.h"
#include "tools/interchange/nnunet_json.h"

namespace vox {
namespace {

namespace fs = std::filesystem;
using Field = NnunetField;

void want_all(const Field& list, std::size_t from, const Json& each, const std::string& wanted) {
  list.wants(list.value().is_array(), "a list");
  for (std::size_t i = from; i < list.value().size(); ++i) { list.at(i).wants(list.value().at(i) == each, wanted); }
}

void want_kernels_and_strides(const Field& kernels, const Field& strides) {
  const Json three{3, 3, 3};
  const Json two{2, 2, 2};
  const Json one{1, 1, 1};
  want_all(kernels, 0, three, "[3,3,3]: the network has no other convolutions");
  strides.wants(strides.value().is_array() && strides.value().size() > 0, "a list");
  strides.at(0).wants(strides.value().at(0) == one, "[1,1,1]");
  want_all(strides, 1, two, "[2,2,2]: every level has half of the extents along all axes");
}

void want_twos(const Field& convs) { want_all(convs, 0, Json(2), "2: every block has two convolutions"); }

bool ends(const Field& f, std::string_view with) {
  return f.value().is_string() && f.value().get<std::string>().ends_with(with);
}

void set_widths(UNetConfig& c, const Field& field, const std::vector<std::int64_t>& widths) {
  field.wants(widths.size() >= kFewestLevels && widths.size() <= kMostLevels,
              fmt::format("{} to {} levels", kFewestLevels, kMostLevels));
  field.wants(std::ranges::all_of(widths, [](std::int64_t w) { return w >= 1 && w <= 65'536; }),
              "widths of 1 to 65536");
  c = with_widths(c, widths);
  c.supervision = std::max<std::int64_t>(std::ssize(widths) - 2, 1);
}

/// As versions since 2.4 write it.
void read_architecture(UNetConfig& c, const Field& a) {
  const Field name = a.at("network_class_name");
  name.wants(ends(name, ".PlainConvUNet"), "PlainConvUNet: residual encoders are another network");
  const Field k = a.at("arch_kwargs");
  const Field widths = k.at("features_per_stage");
  set_widths(c, widths, widths.get<std::vector<std::int64_t>>("a list of widths"));
  k.at("n_stages").wants(k.at("n_stages").value() == Json(std::ssize(c.widths)), "as many as features_per_stage has");
  want_kernels_and_strides(k.at("kernel_sizes"), k.at("strides"));
  want_twos(k.at("n_conv_per_stage"));
  want_twos(k.at("n_conv_per_stage_decoder"));
  k.at("conv_bias").wants(k.at("conv_bias").value() == Json(true), "true");
  k.at("conv_op").wants(ends(k.at("conv_op"), ".Conv3d"), "torch.nn.modules.conv.Conv3d");
  const Field norm = k.at("norm_op");
  norm.wants(ends(norm, ".InstanceNorm3d") || ends(norm, ".BatchNorm3d"), "InstanceNorm3d or BatchNorm3d");
  c.norm = ends(norm, ".BatchNorm3d") ? Norm::batch : Norm::instance;
  const Field norm_options = k.has("norm_op_kwargs") ? k.at("norm_op_kwargs") : Field(k.file(), Json::object());
  if (norm_options.has("eps")) { c.norm_eps = norm_options.at("eps").get<double>("a number"); }
  if (c.norm == Norm::instance || norm_options.has("affine")) {
    norm_options.at("affine").wants(norm_options.at("affine").value() == Json(true), "true");
  }
  if (k.has("dropout_op")) { k.at("dropout_op").refuse("none: the network of nnU-Net's plans drops nothing"); }
  const Field relu = k.at("nonlin");
  relu.wants(ends(relu, ".LeakyReLU") || ends(relu, ".ReLU"), "LeakyReLU or ReLU");
  c.negative_slope = ends(relu, ".LeakyReLU") ? 0.01 : 0;
  if (ends(relu, ".LeakyReLU") && k.has("nonlin_kwargs") && k.at("nonlin_kwargs").has("negative_slope")) {
    const Field slope = k.at("nonlin_kwargs").at("negative_slope");
    c.negative_slope = slope.get<double>("a number");
    slope.wants(c.negative_slope >= 0 && c.negative_slope < 1, "0 to below 1");
  }
  if (k.has("nonlin_first")) { k.at("nonlin_first").wants(k.at("nonlin_first").value() == Json(false), "false"); }
}

/// As versions before 2.4 write it.
void read_old_architecture(UNetConfig& c, const Field& conf) {
  const Field name = conf.at("UNet_class_name");
  name.wants(name.value() == Json("PlainConvUNet"), "PlainConvUNet: residual encoders are another network");
  want_kernels_and_strides(conf.at("conv_kernel_sizes"), conf.at("pool_op_kernel_sizes"));
  want_twos(conf.at("n_conv_per_stage_encoder"));
  want_twos(conf.at("n_conv_per_stage_decoder"));
  const auto base = conf.at("UNet_base_num_features").get<std::int64_t>("a number");
  const auto most = conf.at("unet_max_num_features").get<std::int64_t>("a number");
  std::vector<std::int64_t> widths;
  for (std::size_t l = 0; l < conf.at("conv_kernel_sizes").value().size(); ++l) {
    widths.push_back(std::min(most, widths.empty() ? base : 2 * widths.back()));
  }
  set_widths(c, conf.at("UNet_base_num_features"), widths);
}

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char ch) { return static_cast<char>(std::tolower(ch)); });
  return text;
}

/// The modality of a channel's name, as datasets of BraTS call it.
std::optional<Modality> modality_called(const std::string& channel) {
  static const std::map<std::string, Modality> kNames{
      {"t1", Modality::t1},    {"t1n", Modality::t1},      {"t1w", Modality::t1},     {"t1ce", Modality::t1ce},
      {"t1c", Modality::t1ce}, {"t1gd", Modality::t1ce},   {"t1wce", Modality::t1ce}, {"t2", Modality::t2},
      {"t2w", Modality::t2},   {"flair", Modality::flair}, {"t2f", Modality::flair},  {"t2-flair", Modality::flair}};
  const auto found = kNames.find(lower(channel));
  return found == kNames.end() ? std::optional<Modality>{} : found->second;
}

std::vector<Modality> modalities_of(const Field& dataset) {
  const Field names = dataset.at(dataset.has("channel_names") ? "channel_names" : "modality");
  std::vector<Modality> found;
  for (std::size_t i = 0; i < names.value().size(); ++i) {
    const Field channel = names.at(std::to_string(i));
    const auto m = modality_called(channel.get<std::string>("a name"));
    channel.wants(m && std::ranges::find(found, *m) == found.end(),
                  "t1, t1ce, t2 or flair, each once, or --modalities, which says what the channels are");
    found.push_back(*m);
  }
  names.wants(!found.empty(), "the channels' names");
  return found;
}

std::vector<int> numbers_of(const Field& label) {
  if (label.value().is_array()) { return label.get<std::vector<int>>("numbers"); }
  return {label.get<int>("a number, or a list of them")};
}

/// Which classes 0 to 3 the numbers of a label stand for, as bits.
unsigned classes_of(const Field& label, LabelConvention convention) {
  unsigned classes = 0;
  for (const int n : numbers_of(label)) {
    const auto c =
        n < 0 || n > 255 ? std::optional<std::uint8_t>{} : class_of(convention, static_cast<std::uint8_t>(n));
    label.wants(c.has_value(), fmt::format("numbers of {} ({}); --labels names another edition", name(convention),
                                           meaning(convention)));
    classes |= 1U << *c;
  }
  return classes;
}

/// head_of of the plan, and what the head's channels stand for.
void read_labels(NnunetPlan& plan, const Field& dataset, LabelConvention convention) {
  const Field labels = dataset.at("labels");
  labels.wants(labels.value().is_object(), "names and numbers");
  bool regions = false;
  for (const auto& [label, numbers] : labels.value().items()) { regions = regions || numbers.size() > 1; }
  std::vector<unsigned> theirs;  // classes of each channel of their head
  for (const auto& [label, numbers] : labels.value().items()) {
    const Field field = labels.at(label);
    if (label == "ignore") { field.refuse("none: such voxels are unknown here"); }
    const unsigned classes = classes_of(field, convention);
    if (!regions || classes != 1U) { theirs.push_back(classes); }
  }
  // Bit c for class c: background, necrotic, oedema, enhancing; or WT, TC, ET.
  const std::vector<unsigned> ours =
      regions ? std::vector<unsigned>{0b1110, 0b1010, 0b1000} : std::vector<unsigned>{0b0001, 0b0010, 0b0100, 0b1000};
  const std::string wanted = regions ? "the regions whole tumour, tumour core and enhancing tumour"
                                     : fmt::format("background and three labels, one a class, of {} ({})",
                                                   name(convention), meaning(convention));
  labels.wants(theirs.size() == ours.size(), wanted);
  for (const unsigned classes : ours) {
    const auto found = std::ranges::find(theirs, classes);
    labels.wants(found != theirs.end(), wanted);
    plan.head_of.push_back(found - theirs.begin());
  }
  plan.config.targets = regions ? Targets::regions : Targets::classes;
  plan.config.classes = std::ssize(ours);
}

void read_preparation(NnunetPlan& plan, const Field& plans, const Field& conf) {
  if (plans.has("transpose_forward")) {
    const Json as_they_are{0, 1, 2};
    plans.at("transpose_forward").wants(plans.at("transpose_forward").value() == as_they_are, "[0,1,2]");
  }
  want_all(conf.at("normalization_schemes"), 0, Json("ZScoreNormalization"), "ZScoreNormalization");
  want_all(conf.at("use_mask_for_norm"), 0, Json(true), "true: images are standardised inside the brain");
  const Field spacing = conf.at("spacing");
  const auto mm = spacing.get<std::vector<double>>("three numbers of mm");
  spacing.wants(mm.size() == 3 && std::ranges::all_of(mm, [](double x) { return x > 0 && x <= 100; }),
                "three numbers above 0 and up to 100");
  std::ranges::copy(mm, plan.recipe.spacing_mm.begin());
  const Field patch = conf.at("patch_size");
  const auto voxels = patch.get<std::vector<std::int64_t>>("three numbers of voxels");
  const std::int64_t divisor = size_divisor(plan.config);
  patch.wants(
      voxels.size() == 3 && std::ranges::all_of(voxels, [&](std::int64_t n) { return n > 0 && n % divisor == 0; }),
      fmt::format("three multiples of {}", divisor));
  std::ranges::copy(voxels, plan.patch.begin());
}

}  // namespace

NnunetField read_nnunet_json(const fs::path& path) {
  const std::string text = read_file(path);
  try {
    return {path, Json::parse(text)};
  } catch (const JsonError& e) { VOX_FAIL_DATA("{}: {}", path.string(), e.what()); }
}

NnunetField nnunet_configuration(const NnunetField& plans, const std::string& name) {
  const Field all = plans.at("configurations");
  Json merged = Json::object();
  std::vector<Json> chain;
  std::string next = name;
  while (!next.empty()) {
    const Field conf = all.at(next);
    conf.wants(chain.size() < all.value().size(), "a configuration that does not inherit from itself");
    chain.push_back(conf.value());
    next = conf.has("inherits_from") ? conf.at("inherits_from").get<std::string>("a name") : "";
  }
  std::ranges::for_each(chain.rbegin(), chain.rend(), [&](const Json& conf) { merged.update(conf); });
  Json only = Json::object();
  only["configurations." + name] = merged;
  return Field(plans.file(), only).at("configurations." + name);
}

NnunetPlan read_nnunet_plan(const NnunetFiles& files) {
  const Field plans = read_nnunet_json(files.plans);
  const Field dataset = read_nnunet_json(files.dataset);
  const Field conf = nnunet_configuration(plans, files.configuration);
  NnunetPlan plan{.config = unet_preset("nnunet"), .recipe = recipe_named("native"), .head_of = {}};
  if (conf.has("architecture")) {
    read_architecture(plan.config, conf.at("architecture"));
  } else {
    read_old_architecture(plan.config, conf);
  }
  plan.recipe.modalities = files.modalities.empty() ? modalities_of(dataset) : files.modalities;
  plan.config.in_channels = std::ssize(plan.recipe.modalities);
  read_labels(plan, dataset, files.labels);
  read_preparation(plan, plans, conf);
  return plan;
}

}  // namespace vox
