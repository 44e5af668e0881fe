#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace vox::fuzz {

/// The text with a change in one of the arrays and objects that it holds, be it the text itself, a line of it or what
/// it begins with: a value that is extreme or from another place, an element or a member more or less, a key from
/// another place, JSON within a string changed likewise. Nothing where there is none. The same seed makes the same
/// change.
[[nodiscard]] std::optional<std::string> with_json_changed(std::string_view text, unsigned seed);

}  // namespace vox::fuzz
