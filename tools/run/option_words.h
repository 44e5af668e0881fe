#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <utility>

#include "kernels/base/check.h"
#include "model/unet_config.h"

namespace vox {

/// One choice out of a few words. Throws Error naming the option and its words.
template <class E, std::size_t N>
E chosen(const char* option, const std::string& word, const std::array<std::pair<const char*, E>, N>& choices) {
  std::string wanted;
  for (const auto& choice : choices) {
    if (word == choice.first) { return choice.second; }
    if (!wanted.empty()) { wanted += ", "; }
    wanted += choice.first;
  }
  VOX_FAIL("--{} is '{}', wants one of: {}", option, word, wanted);
}

[[nodiscard]] inline Targets targets_named(const std::string& word) {
  return chosen<Targets, 2>("targets", word, {{{"classes", Targets::classes}, {"regions", Targets::regions}}});
}

}  // namespace vox
