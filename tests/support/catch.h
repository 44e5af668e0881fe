#pragma once

// Catch2 2.13 (one header) and 3.x (many): the differences the tests meet are settled here.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
namespace vox::test {
using Catch::Approx;  // 2.13 puts it into the global namespace
using Catch::Matchers::ContainsSubstring;
}  // namespace vox::test
#else
#include <catch2/catch.hpp>
namespace vox::test {
inline auto ContainsSubstring(const std::string& text) { return Catch::Matchers::Contains(text); }  // NOLINT
}  // namespace vox::test
#endif
