#include "benchmarks/workloads/kernel_shape.h"

#include <fmt/format.h>

#include <charconv>

#include "kernels/base/check.h"

namespace vox::bench {
namespace {

/// Reads a shape from the left.
class Reader {
 public:
  explicit Reader(const std::string& text) : text_(text) {}

  std::int64_t number() {
    std::int64_t value = 0;
    const char* const first = text_.data() + at_;
    const auto [end, error] = std::from_chars(first, text_.data() + text_.size(), value);
    VOX_CHECK(error == std::errc() && value >= 1 && value <= 1'000'000, "shape '{}': wants a number from 1 at '{}'",
              text_, text_.substr(at_));
    at_ += static_cast<std::size_t>(end - first);
    return value;
  }
  bool take(char c) {
    if (at_ == text_.size() || text_[at_] != c) { return false; }
    ++at_;
    return true;
  }
  void want(bool fine) const {
    VOX_CHECK(fine,
              "shape '{}': wants CHANNELS[+CHANNELS][-OUT]@SIDE^3 or …@DxHxW, then kK for another kernel, sS for "
              "another stride",
              text_);
  }
  [[nodiscard]] bool done() const { return at_ == text_.size(); }

 private:
  const std::string& text_;
  std::size_t at_ = 0;
};

}  // namespace

KernelShape parse_shape(const std::string& text) {
  KernelShape s;
  Reader r(text);
  s.in.push_back(r.number());
  if (r.take('+')) { s.in.push_back(r.number()); }
  if (r.take('-')) { s.out = r.number(); }
  r.want(r.take('@'));
  s.extent.fill(r.number());
  if (r.take('^')) {
    r.want(r.take('3'));
  } else if (r.take('x')) {
    s.extent[1] = r.number();
    r.want(r.take('x'));
    s.extent[2] = r.number();
  }
  if (r.take('k')) { s.kernel = r.number(); }
  if (r.take('s')) { s.stride = r.number(); }
  r.want(r.done());
  return s;
}

std::string text_of(const KernelShape& s) {
  return fmt::format("{}{}@{}", fmt::join(s.in, "+"), s.out > 0 ? fmt::format("-{}", s.out) : "", extents_of(s));
}

std::string extents_of(const KernelShape& s) {
  const auto& e = s.extent;
  const bool cube = e[0] == e[1] && e[1] == e[2];
  return fmt::format("{}{}{}", cube ? fmt::format("{}^3", e[0]) : fmt::format("{}x{}x{}", e[0], e[1], e[2]),
                     s.kernel > 0 ? fmt::format("k{}", s.kernel) : "",
                     s.stride > 0 ? fmt::format("s{}", s.stride) : "");
}

}  // namespace vox::bench
