// What libFuzzer calls. VOXGRAD_FUZZ_TARGET names the target.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "kernels/base/check.h"
#include "tests/fuzz/target.h"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);

namespace {

const vox::fuzz::Target& target() {
  static const vox::fuzz::Target* const chosen = [] {
    const char* const name = std::getenv("VOXGRAD_FUZZ_TARGET");
    const auto* const found = vox::fuzz::target_named(name == nullptr ? "" : name);
    if (found == nullptr) {
      std::fputs("VOXGRAD_FUZZ_TARGET names no target; there are:", stderr);
      for (const auto& t : vox::fuzz::targets()) { std::fprintf(stderr, " %s", std::string(t.name).c_str()); }
      std::fputs("\n", stderr);
      std::exit(2);
    }
    return found;
  }();
  return *chosen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    target().run({reinterpret_cast<const char*>(data), size});
  } catch (const vox::Error&) {}  // a refusal; anything else ends the program, and libFuzzer keeps the input
  return 0;
}

/// Of what is wrapped, the inside: deflated data and lengths come right again. Every eighth time the bytes themselves.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {
  if (target().unwrap == nullptr || seed % 8 == 0) { return LLVMFuzzerMutate(data, size, most); }
  std::string inner = target().unwrap({reinterpret_cast<const char*>(data), size});
  const std::size_t before = inner.size();
  inner.resize(std::max<std::size_t>(before, 1) + 64);
  inner.resize(LLVMFuzzerMutate(reinterpret_cast<std::uint8_t*>(inner.data()), before, inner.size()));
  const std::string outer = target().wrap(inner);
  if (outer.size() > most) { return LLVMFuzzerMutate(data, size, most); }
  std::memcpy(data, outer.data(), outer.size());
  return outer.size();
}
