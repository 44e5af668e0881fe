#pragma once

#include <array>
#include <bit>
#include <string_view>

#include "engine/safetensors.h"

namespace vox {

// What the reader and the writer of safetensors share; nobody else includes this.

static_assert(std::endian::native == std::endian::little, "safetensors is little-endian and mapped as it is");

inline constexpr std::size_t kLengthBytes = 8;               ///< of the header's length, at the start
inline constexpr std::size_t kMaxHeaderBytes = 100'000'000;  ///< the limit of the reference implementation
inline constexpr std::string_view kMetadataKey = "__metadata__";

struct DTypeName {
  FileDType dtype;
  std::string_view name;
  std::size_t bytes;
};
inline constexpr std::array<DTypeName, 5> kDTypes{{{FileDType::f32, "F32", 4},
                                                   {FileDType::f64, "F64", 8},
                                                   {FileDType::bf16, "BF16", 2},
                                                   {FileDType::u8, "U8", 1},
                                                   {FileDType::i64, "I64", 8}}};

[[nodiscard]] inline const DTypeName& entry(FileDType t) { return kDTypes.at(static_cast<std::size_t>(t)); }

}  // namespace vox
