#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

/// Into how many pieces memory cuts what the lanes of a warp ask for by one instruction. Source: NVIDIA, "CUDA C++
/// Programming Guide", compute capability 5.x and later.
namespace vox::ptx {

inline constexpr unsigned kLanes = 32;
using Addresses = std::array<std::uint64_t, kLanes>;  ///< a byte address per lane

struct Pieces {
  unsigned asked = 0;  ///< what the instruction makes
  unsigned least = 0;  ///< what as many bytes take where they lie well
};

/// Sectors of 32 bytes of global memory that a request touches. lanes: a bit for each that takes part; bytes: of each,
/// a power of two up to 16, and addresses are its multiples. Several lanes may have one address: it is read once.
/// least: as many bytes in a row.
[[nodiscard]] inline Pieces sectors(const Addresses& address, unsigned lanes, unsigned bytes) {
  constexpr unsigned kSector = 32;
  Addresses asked;
  auto end = asked.begin();
  for (unsigned l = 0; l < kLanes; ++l) {
    if ((lanes >> l & 1U) != 0) { *end++ = address[l]; }
  }
  std::sort(asked.begin(), end);
  end = std::unique(asked.begin(), end);
  const auto different = static_cast<unsigned>(end - asked.begin());
  std::transform(asked.begin(), end, asked.begin(), [](std::uint64_t a) { return a / kSector; });
  end = std::unique(asked.begin(), end);
  return {static_cast<unsigned>(end - asked.begin()), (different * bytes + kSector - 1) / kSector};
}

/// Wavefronts of a request to shared memory, which has 32 banks, each of the words of 4 bytes whose number it is modulo
/// 32. One wavefront takes a word of every bank, for any lanes. Of 8 bytes half a warp goes at a time, of 16 a quarter:
/// so do the rows of an ldmatrix, of which each lane names one. least: one for each part of the warp that takes part.
[[nodiscard]] inline Pieces wavefronts(const Addresses& address, unsigned lanes, unsigned bytes) {
  constexpr unsigned kWord = 4;
  constexpr unsigned kBanks = 32;
  const unsigned words = std::max(1U, bytes / kWord);  // of a lane
  const unsigned part = kLanes / words;                // lanes that go together
  Pieces total;
  for (unsigned first = 0; first < kLanes; first += part) {
    std::array<std::uint64_t, kLanes> asked;
    auto end = asked.begin();
    for (unsigned l = first; l < first + part; ++l) {
      if ((lanes >> l & 1U) == 0) { continue; }
      for (unsigned w = 0; w < words; ++w) { *end++ = address[l] / kWord + w; }
    }
    std::sort(asked.begin(), end);
    end = std::unique(asked.begin(), end);
    std::array<unsigned, kBanks> of_bank{};
    std::for_each(asked.begin(), end, [&](std::uint64_t word) { ++of_bank[word % kBanks]; });
    total.asked += *std::max_element(of_bank.begin(), of_bank.end());
    total.least += end == asked.begin() ? 0 : 1;
  }
  return total;
}

}  // namespace vox::ptx
