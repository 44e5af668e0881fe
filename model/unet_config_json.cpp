// A network's configuration as the text in a checkpoint.
#include <array>
#include <utility>

#include "engine/json.h"
#include "engine/json_text.h"
#include "kernels/base/check.h"
#include "model/checkpoint.h"

namespace vox {
namespace {

constexpr std::array<std::pair<const char*, Norm>, 3> kNorms{
    {{"none", Norm::none}, {"batch", Norm::batch}, {"instance", Norm::instance}}};
constexpr std::array<std::pair<const char*, Down>, 2> kDowns{
    {{"max_pool", Down::max_pool}, {"strided_conv", Down::strided_conv}}};
constexpr std::array<std::pair<const char*, Init>, 3> kInits{
    {{"keras", Init::keras}, {"torch", Init::torch}, {"kaiming", Init::kaiming}}};
constexpr std::array<std::pair<const char*, Targets>, 2> kTargets{
    {{"classes", Targets::classes}, {"regions", Targets::regions}}};
constexpr std::array<std::pair<const char*, BlockOrder>, 2> kOrders{
    {{"dropout_between", BlockOrder::dropout_between}, {"dropout_last", BlockOrder::dropout_last}}};

template <class Table, class E> std::string word(const Table& table, E value) {
  for (const auto& [text, e] : table) {
    if (e == value) { return text; }
  }
  VOX_FAIL("unet: a setting has no name");
}

/// A word of a file that some other version may have written.
template <class Table>
auto setting(const Table& table, const char* key, const std::string& text, const std::string& file) {
  for (const auto& [known, e] : table) {
    if (text == known) { return e; }
  }
  VOX_FAIL_DATA("{}: the network's {} is '{}', which this version does not know", file, key, text);
}

}  // namespace

std::string to_json(const UNetConfig& c) {
  Json j{{"preset", c.preset},
         {"in_channels", c.in_channels},
         {"classes", c.classes},
         {"targets", word(kTargets, c.targets)},
         {"widths", c.widths},
         {"norm", word(kNorms, c.norm)},
         {"block_order", word(kOrders, c.block_order)},
         {"init", word(kInits, c.init)},
         {"encoder_dropout", c.encoder_dropout},
         {"decoder_dropout", c.decoder_dropout},
         {"batch_norm_eps", c.norm_eps},
         {"batch_norm_momentum", c.batch_norm_momentum}};
  // What came later stands there only where it is not what it was before, so that older versions read the rest.
  const UNetConfig before;
  if (c.norm_bias != before.norm_bias) { j["norm_bias"] = c.norm_bias; }
  if (c.negative_slope != before.negative_slope) { j["negative_slope"] = c.negative_slope; }
  if (c.down != before.down) { j["down"] = word(kDowns, c.down); }
  if (c.supervision != before.supervision) { j["supervision"] = c.supervision; }
  return json_text(j.sorted());
}

UNetConfig unet_config_from_json(const std::string& text, const std::string& file) {
  UNetConfig c;
  const auto damaged = [&](const Error& e) {
    VOX_FAIL_DATA("{}: the network's description is damaged: {}", file, e.what());
  };
  try {
    const Json j = Json::parse(text);
    const auto get = [&](const char* key, const auto& table, const char* otherwise) {
      return setting(table, key, j.value(key, otherwise), file);
    };
    j.at("preset").get_to(c.preset);
    j.at("in_channels").get_to(c.in_channels);
    j.at("classes").get_to(c.classes);
    j.at("widths").get_to(c.widths);
    j.at("encoder_dropout").get_to(c.encoder_dropout);
    j.at("decoder_dropout").get_to(c.decoder_dropout);
    j.at("batch_norm_eps").get_to(c.norm_eps);
    j.at("batch_norm_momentum").get_to(c.batch_norm_momentum);
    c.targets = get("targets", kTargets, "classes");
    c.norm = get("norm", kNorms, "batch");
    c.block_order = get("block_order", kOrders, "dropout_between");
    c.init = get("init", kInits, "keras");
    c.down = get("down", kDowns, "max_pool");
    c.norm_bias = j.value("norm_bias", c.norm_bias);
    c.negative_slope = j.value("negative_slope", c.negative_slope);
    c.supervision = j.value("supervision", c.supervision);
  } catch (const JsonError& e) { damaged(e); }
  try {
    check_config(c);
  } catch (const Error& e) { damaged(e); }
  return c;
}

}  // namespace vox
