#include "data/loading/nnunet_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "data/loading/elastic_field.h"
#include "kernels/base/check.h"

namespace vox {
namespace {

/// What one number says of a range.
enum class Single : std::uint8_t { plus_minus, up_to, exactly, none };

struct Known {
  const char* name;
  AugmentStep NnunetOptions::*step;
  double least;  ///< of the range
  double most;
  Single single;
  const char* unit;
};

constexpr std::array<Known, 11> kSteps{{
    {"rotate", &NnunetOptions::rotate, -180, 180, Single::plus_minus, "degrees"},
    {"scale", &NnunetOptions::scale, 0.25, 4, Single::exactly, "a factor"},
    {"elastic", &NnunetOptions::elastic, 0, kMostElasticVoxels, Single::up_to, "voxels"},
    {"mirror", &NnunetOptions::mirror, 0, 0, Single::none, ""},
    {"noise", &NnunetOptions::noise, 0, 100, Single::up_to, "a standard deviation"},
    {"blur", &NnunetOptions::blur, 0.1, 10, Single::exactly, "voxels"},
    {"brightness", &NnunetOptions::brightness, 0, 10, Single::exactly, "a factor"},
    {"contrast", &NnunetOptions::contrast, 0, 10, Single::exactly, "a factor"},
    {"lowres", &NnunetOptions::lowres, 0.01, 1, Single::exactly, "a share of the extents"},
    {"gamma-negated", &NnunetOptions::gamma_negated, 0.1, 10, Single::exactly, "an exponent"},
    {"gamma", &NnunetOptions::gamma, 0.1, 10, Single::exactly, "an exponent"},
}};

bool by_channel(const Known& k) { return k.step == &NnunetOptions::blur || k.step == &NnunetOptions::lowres; }

const Known& known(std::string_view name) {
  std::string names;
  for (const Known& k : kSteps) {
    if (name == k.name) { return k; }
    names += fmt::format("{}{}", names.empty() ? "" : ", ", k.name);
  }
  VOX_FAIL("augment: '{}' is no step of nnunet, wants one of {}", name, names);
}

double number(std::string_view text, std::string_view setting) {
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  VOX_CHECK(error == std::errc() && rest == end, "augment: '{}' in '{}' is no number", text, setting);
  return value;
}

/// What stands before a mark, or all of it; what stands behind it stays in `text`, if there was one.
std::string_view before(std::optional<std::string_view>& text, std::string_view mark) {
  const std::string_view all = text.value_or("");
  const std::size_t at = all.find(mark);
  text = at == std::string_view::npos ? std::nullopt : std::optional(all.substr(at + mark.size()));
  return all.substr(0, at);
}

void set_range(AugmentStep& step, const Known& k, std::string_view range, std::string_view setting) {
  VOX_CHECK(k.single != Single::none, "augment: '{}': {} has no range, wants {}@PROBABILITY", setting, k.name, k.name);
  std::optional<std::string_view> rest = range;
  const double low = number(before(rest, ".."), setting);
  if (rest) {
    step.low = low;
    step.high = number(*rest, setting);
  } else {
    step.high = low;
    step.low = k.single == Single::plus_minus ? -low : k.single == Single::up_to ? 0 : low;
  }
}

void apply(NnunetOptions& o, std::string_view setting) {
  std::optional<std::string_view> probabilities = setting;
  std::optional<std::string_view> range = before(probabilities, "@");
  const Known& k = known(before(range, "="));
  AugmentStep& step = o.*k.step;
  VOX_CHECK(range || probabilities, "augment: '{}' says nothing of {}, wants {}=RANGE, {}@PROBABILITY or {}=off",
            setting, k.name, k.name, k.name, k.name);
  if (range && *range == "off") {
    VOX_CHECK(!probabilities, "augment: '{}': what is off has no probability", setting);
    step.probability = 0;
    return;
  }
  if (range) { set_range(step, k, *range, setting); }
  if (probabilities) {
    step.probability = number(before(probabilities, "/"), setting);
    VOX_CHECK(!probabilities || by_channel(k), "augment: '{}': {} has no probability by channel", setting, k.name);
    if (probabilities) { step.channel_probability = number(*probabilities, setting); }
  }
}

}  // namespace

NnunetOptions nnunet_options(std::string_view settings) {
  NnunetOptions o;
  std::optional<std::string_view> rest = settings;
  while (rest && !rest->empty()) { apply(o, before(rest, ",")); }
  check_nnunet(o);
  return o;
}

void check_nnunet(const NnunetOptions& o) {
  for (const Known& k : kSteps) {
    const AugmentStep& s = o.*k.step;
    VOX_CHECK(s.probability >= 0 && s.probability <= 1 && s.channel_probability >= 0 && s.channel_probability <= 1,
              "augment: {} has probability {}{}, wants 0 to 1", k.name, s.probability,
              by_channel(k) ? fmt::format(" and by channel {}", s.channel_probability) : "");
    VOX_CHECK(s.low >= k.least && s.low <= s.high && s.high <= k.most,
              "augment: {} is {}..{}, wants {} from {} to {}{}", k.name, s.low, s.high, k.unit, k.least, k.most,
              s.low > s.high ? ", the lower one first" : "");
  }
}

std::string nnunet_text(const NnunetOptions& o) {
  const NnunetOptions usual;
  std::string text;
  for (const Known& k : kSteps) {
    const AugmentStep& s = o.*k.step;
    const bool off = !(s.probability > 0);
    if (off && !((usual.*k.step).probability > 0)) { continue; }
    text += fmt::format("{}{}", text.empty() ? "" : ",", k.name);
    if (off) {
      text += "=off";
      continue;
    }
    if (k.single == Single::plus_minus && s.low == -s.high) {
      text += fmt::format("={:g}", s.high);
    } else if (k.single != Single::none) {
      text += fmt::format("={:g}..{:g}", s.low, s.high);
    }
    text += fmt::format("@{:g}", s.probability);
    if (by_channel(k)) { text += fmt::format("/{:g}", s.channel_probability); }
  }
  return text;
}

}  // namespace vox
