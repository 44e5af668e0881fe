#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/simt/ptx_program.h"

namespace vox::ptx {

// The words of a .ptx file. All throw Error for what nvcc does not write.

[[nodiscard]] std::string trim(const std::string&);
/// At commas outside of brackets; what is empty is left out.
[[nodiscard]] std::vector<std::string> split(const std::string&);
/// The bits of "17", "-1", "0x11", "0f3F800000" or "0d3FF0000000000000".
[[nodiscard]] std::uint64_t number(const std::string&);
/// Without the brackets around it.
[[nodiscard]] std::string inside(const std::string&);
/// Of a type, times the extents that stand behind a name: "a[4][2]".
[[nodiscard]] std::size_t bytes_of(const Type&, const std::string& name);
[[nodiscard]] std::size_t aligned(std::size_t at, std::size_t alignment);

}  // namespace vox::ptx
