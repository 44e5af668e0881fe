#include "data/cases/label_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <map>

namespace vox {
namespace {

/// Small letters and digits alone: "Non-enhancing Tumor" as "nonenhancingtumor".
std::string letters_of(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
      out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
  }
  return out;
}

struct Word {
  std::string_view text;
  bool whole;  ///< of the name, or anywhere in it
  LabelMeaning meaning;
};
// The first that fits decides: "non-enhancing core" is no core, and does not enhance.
constexpr std::array<Word, 27> kWords{{
    {"background", false, LabelMeaning::background},
    {"bg", true, LabelMeaning::background},
    {"ignore", false, LabelMeaning::ignored},
    {"cavity", false, LabelMeaning::cavity},
    {"resection", false, LabelMeaning::cavity},
    {"rc", true, LabelMeaning::cavity},
    {"edema", false, LabelMeaning::oedema},  // and oedema
    {"peritumor", false, LabelMeaning::oedema},
    {"snfh", true, LabelMeaning::oedema},
    {"flairhyperintens", false, LabelMeaning::oedema},
    {"ed", true, LabelMeaning::oedema},
    {"necro", false, LabelMeaning::necrotic},
    {"nonenhanc", false, LabelMeaning::necrotic},
    {"cyst", false, LabelMeaning::necrotic},
    {"ncr", true, LabelMeaning::necrotic},
    {"ncrnet", true, LabelMeaning::necrotic},
    {"netc", true, LabelMeaning::necrotic},
    {"net", true, LabelMeaning::necrotic},
    {"cc", true, LabelMeaning::necrotic},
    {"enhanc", false, LabelMeaning::enhancing},
    {"et", true, LabelMeaning::enhancing},
    {"at", true, LabelMeaning::enhancing},
    {"wholetumo", false, LabelMeaning::whole},
    {"wt", true, LabelMeaning::whole},
    {"tumorcore", true, LabelMeaning::core},
    {"tumourcore", true, LabelMeaning::core},
    {"tc", true, LabelMeaning::core},
}};

/// What the names say of one number.
struct Said {
  std::optional<std::uint8_t> label;  ///< its class by a name of its own
  bool whole = false;
  bool core = false;
  bool enhancing = false;

  [[nodiscard]] std::uint8_t cls() const {
    if (label) { return *label; }
    return enhancing ? 3 : core ? 1 : 2;
  }
};

std::optional<std::uint8_t> class_meant(LabelMeaning meaning) {
  switch (meaning) {
    case LabelMeaning::necrotic:
      return std::uint8_t{1};
    case LabelMeaning::oedema:
      return std::uint8_t{2};
    case LabelMeaning::enhancing:
      return std::uint8_t{3};
    case LabelMeaning::background:
    case LabelMeaning::cavity:
      return std::uint8_t{0};
    case LabelMeaning::whole:
    case LabelMeaning::core:
    case LabelMeaning::ignored:
      return {};
  }
  return {};
}

void take(const NamedLabel& named, LabelMeaning meaning, std::map<std::int64_t, Said>& said) {
  const bool region = meaning == LabelMeaning::whole || meaning == LabelMeaning::core || named.values.size() > 1;
  for (const std::int64_t value : named.values) {
    Said& s = said[value];
    if (!region && meaning != LabelMeaning::enhancing) {
      s.label = class_meant(meaning);
    } else {  // the enhancing tumour is a region of one label
      s.whole = s.whole || meaning == LabelMeaning::whole;
      s.core = s.core || meaning == LabelMeaning::core || meaning == LabelMeaning::necrotic;
      s.enhancing = s.enhancing || meaning == LabelMeaning::enhancing;
    }
  }
}

/// Has the convention every number that is named, for the same class, and no other, but where others may be left out?
bool is_of(LabelConvention c, const std::map<std::int64_t, Said>& said, bool all) {
  std::array<bool, kClasses> named{};
  for (const auto& [label, s] : said) {
    const auto known = label >= 1 && label <= 255 ? class_of(c, static_cast<std::uint8_t>(label)) : std::nullopt;
    if (known != s.cls()) { return false; }
    named[s.cls()] = true;
  }
  std::size_t numbers = 0;
  for (int label = 1; label < 256; ++label) { numbers += class_of(c, static_cast<std::uint8_t>(label)) ? 1U : 0U; }
  return named[1] && named[2] && named[3] && (!all || numbers == said.size());
}

}  // namespace

std::optional<LabelMeaning> label_meaning(std::string_view name) {
  const std::string letters = letters_of(name);
  for (const Word& w : kWords) {
    if (w.whole ? letters == w.text : letters.find(w.text) != std::string::npos) { return w.meaning; }
  }
  return {};
}

StatedLabels stated_labels(const std::string& source, const std::vector<NamedLabel>& names) {
  const std::string file = std::filesystem::path(source).filename().string();
  const auto none = [&](const std::string& why) {
    return StatedLabels{.convention = {}, .text = source + ' ' + why, .source = file};
  };
  constexpr std::string_view kSayIt = "; say with --labels what the numbers stand for";
  std::map<std::int64_t, Said> said;
  std::string text;
  for (const NamedLabel& named : names) {
    const auto meaning = label_meaning(named.name);
    if (!meaning) {
      return none(fmt::format("names the label {} '{}', which is no part of a brain tumour that is known here{}",
                              fmt::join(named.values, ", "), named.name, kSayIt));
    }
    if (*meaning == LabelMeaning::ignored) {
      return none(fmt::format("names {} '{}': labels to be ignored cannot be trained on or scored here",
                              fmt::join(named.values, ", "), named.name));
    }
    if (*meaning == LabelMeaning::background) { continue; }
    take(named, *meaning, said);
    text += fmt::format("{}'{}' {}", text.empty() ? "" : ", ", named.name, fmt::join(named.values, "+"));
  }
  for (const bool all : {true, false}) {
    for (const LabelConvention c : kLabelConventions) {
      if (is_of(c, said, all)) {
        return {.convention = c, .text = fmt::format("{} names {}", source, text), .source = file};
      }
    }
  }
  return none(fmt::format("names {}: no convention has these numbers with these meanings{}",
                          text.empty() ? "no label" : text, kSayIt));
}

}  // namespace vox
