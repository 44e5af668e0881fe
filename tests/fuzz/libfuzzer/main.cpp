// What libFuzzer calls. VOXGRAD_FUZZ_TARGET names the target.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/check.h"
#include "tests/fuzz/libfuzzer/json_mutator.h"
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

/// A length of its own for every target, unless the command line has one: longer files are slower and show little more.
extern "C" int LLVMFuzzerInitialize(int* count, char*** words) {
  static std::string length = "-max_len=" + std::to_string(target().most_bytes);
  static std::vector<char*> all(*words, *words + *count);
  all.insert(all.begin() + 1, length.data());  // of an option that is given twice the last counts
  *count = static_cast<int>(all.size());
  all.push_back(nullptr);
  *words = all.data();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    target().run({reinterpret_cast<const char*>(data), size});
  } catch (const vox::Error&) {}  // a refusal; anything else ends the program, and libFuzzer keeps the input
  return 0;
}

/// Of what is wrapped, the inside: deflated data and lengths come right again. Of JSON every third time a value. Every
/// eighth time the bytes themselves.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {
  const vox::fuzz::Target& t = target();
  if (seed % 8 == 0) { return LLVMFuzzerMutate(data, size, most); }
  const std::string_view whole(reinterpret_cast<const char*>(data), size);
  std::string inner = t.unwrap == nullptr ? std::string(whole) : t.unwrap(whole);
  const auto changed = seed % 3 == 0 ? vox::fuzz::with_json_changed(inner, seed) : std::nullopt;
  if (!changed && t.unwrap == nullptr) { return LLVMFuzzerMutate(data, size, most); }
  if (changed) {
    inner = *changed;
  } else {
    const std::size_t before = inner.size();
    inner.resize(std::max<std::size_t>(before, 1) + 64);
    inner.resize(LLVMFuzzerMutate(reinterpret_cast<std::uint8_t*>(inner.data()), before, inner.size()));
  }
  const std::string outer = t.wrap == nullptr ? inner : t.wrap(inner);
  if (outer.size() > most) { return LLVMFuzzerMutate(data, size, most); }
  std::memcpy(data, outer.data(), outer.size());
  return outer.size();
}
