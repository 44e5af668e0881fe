#pragma once

#include <bitset>
#include <cstddef>
#include <span>

namespace vox {

/// Cores of a machine, by number.
using CoreSet = std::bitset<1024>;

/// Those that this process may run on: all, or what a launcher has bound it to. None: the system does not say.
[[nodiscard]] CoreSet cores_of_process();

/// How many threads a rank runs where it asks for every core: a core that n ranks of the machine may use counts 1/n,
/// and what comes of that is rounded down, to at least 1. So ranks that are bound to cores of their own take those, and
/// ranks that are not bound divide the machine. ranks: the cores of all ranks on the machine.
[[nodiscard]] int share_of_cores(std::span<const CoreSet> ranks, std::size_t rank);

}  // namespace vox
